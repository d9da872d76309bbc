"""Fetch a dataset from its publisher: download, check, unpack, and only then give it its name."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.data.archive import unpack
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.cifar import find_cifar
from ran_deploy.data.claim import claimed, made
from ran_deploy.data.image_folder import open_imagenet
from ran_deploy.data.open import open_dataset
from ran_deploy.data.sources import SOURCES, Source
from ran_deploy.data.transfer import check_url, download
from ran_deploy.errors import IntegrityError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What became of a request for a dataset."""

    dataset: str
    status: Literal["downloaded", "present", "not-needed"]
    folder: str | None
    """The folder with the data; None where none is needed."""
    url: str | None = None
    """Where it was downloaded from."""
    received_bytes: int = 0
    checksum: str | None = None
    """The digest that the archive was checked against, as "algorithm:hexadecimal"."""


def fetch_dataset(name: str, root: Path, *, url: str | None = None, checksum: str | None = None) -> FetchResult:
    """Download a dataset and unpack it into a folder of its own below ``root``, unless it is there.

    What has been received stays in ``root`` as ``<folder>.part`` if the transfer is cut, and the next call goes
    on from there. The folder appears under its name only when it is complete and has been read once.

    Args:
        name: "cifar10", "cifar100" or "tiny-imagenet"; "imagenet" is only looked for, and "synthetic" needs no data.
        root: The folder to put the data in; it is made if it is missing.
        url: A mirror of the archive; by default the publisher's address.
        checksum: The archive's digest, "sha256:…" or "md5:…"; by default the publisher's. Tiny ImageNet has none
            that is published, so its images are counted instead, unless a digest is given.

    Raises:
        UsageError: The name, address or digest cannot be used; ImageNet, which only its users can download, is not
            there or not complete; the server or ``root`` fails.
        IntegrityError: The archive is not the publisher's, is damaged, or would write outside ``root``.
    """
    dataset_info(name)
    if name == "synthetic":
        return FetchResult(dataset=name, status="not-needed", folder=None)
    if name not in SOURCES:
        return _own_copy(name, root)
    source = SOURCES[name]
    address = check_url(url or source.url)
    digest = _parsed(checksum) if checksum else source.checksum
    present = _present(name, root)
    if present:
        return FetchResult(dataset=name, status="present", folder=str(present))
    target = root / source.folder
    _require_free(target, name)
    part = root / f"{source.folder}.part"
    with made(root), claimed(part):
        received = _download_checked(address, part, name, digest)
        _install(name, source, part, root, counted=digest is None)
    return FetchResult(
        dataset=name, status="downloaded", folder=str(target), url=address, received_bytes=received, checksum=digest
    )


def _own_copy(name: str, root: Path) -> FetchResult:
    """Say where ImageNet is, if its user has laid it out below ``root``."""
    try:
        folder = open_imagenet(root, dataset_info(name), "train").folder
    except UsageError as error:
        if any((home / "train").is_dir() for home in (root, root / name)):  # laid out, but not as it should be
            raise
        raise _not_downloadable(name, root) from error
    return FetchResult(dataset=name, status="present", folder=str(folder))


def _not_downloadable(name: str, root: Path) -> UsageError:
    return UsageError(
        f"{name} cannot be downloaded by ran-deploy: its publisher gives it only to registered users.",
        fix=f"Get it from https://image-net.org and lay it out as {root}/train/<synset>/*.JPEG and "
        f"{root}/val/<synset>/*.JPEG, with one folder for each of the 1,000 synsets.",
    )


def _parsed(checksum: str) -> str:
    text = checksum.strip().lower()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", text):
        raise UsageError(
            f"The checksum {checksum!r} is not a digest.", fix="Give sha256: and 64, or md5: and 32 hexadecimal digits."
        )
    return text


def _present(name: str, root: Path) -> Path | None:
    if name in ("cifar10", "cifar100"):
        return find_cifar(name, root)
    homes = (root / SOURCES[name].folder, root)
    return next((home for home in homes if all((home / part).exists() for part in ("train", "val", "wnids.txt"))), None)


def _require_free(target: Path, name: str) -> None:
    if target.exists():
        raise UsageError(
            f"{target} exists but does not hold all of {name}.", fix="Move it away, then run the same command again."
        )


def _download_checked(url: str, part: Path, name: str, digest: str | None) -> int:
    """Complete ``part`` and check its digest; return the number of bytes received."""
    resumed = part.stat().st_size > 0
    received = download(url, part, what=f"download {name}")
    if digest is None or _digest(part, digest) == digest:
        return received
    if resumed:  # what was there may have been the beginning of another file
        _empty(part)
        received += download(url, part, what=f"download {name}")
    found = _digest(part, digest)
    if found != digest:
        size = part.stat().st_size
        _empty(part)
        raise IntegrityError(
            f"What {url} sent ({size} bytes) is not the archive of {name}: {found}, expected {digest}.",
            fix="Run the same command again; for a mirror with another archive, give its digest by --checksum.",
        )
    return received


def _digest(path: Path, like: str) -> str:
    """Return the file's digest by the algorithm of ``like``."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{digest.hexdigest()}"


def _empty(part: Path) -> None:
    part.write_bytes(b"")


def _install(name: str, source: Source, part: Path, root: Path, *, counted: bool) -> None:
    """Unpack beside the final place, check the content, rename, and drop the archive."""
    staging = root / f".{source.folder}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # a killed run's; no other can be at work, part is locked
    try:
        staging.mkdir()
        unpack(part, staging)
        _check_content(name, source, staging, counted=counted)
        (staging / source.folder).rename(root / source.folder)
        part.unlink()
    except IntegrityError:
        _empty(part)
        raise
    except OSError as error:
        raise UsageError(
            f"{root} cannot be written to: {error.strerror or error}.", fix="Choose another folder with --root."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_content(name: str, source: Source, staging: Path, *, counted: bool) -> None:
    """Read the unpacked dataset as its users will; ``counted`` compares its size with the publisher's."""
    home = staging / source.folder
    fix = "Check the address; by default the publisher's is taken."
    if not home.is_dir():
        raise IntegrityError(f"The archive is not that of {name}: it has no folder {source.folder}.", fix=fix)
    try:
        counts = (len(open_dataset(name, home, "train")), len(open_dataset(name, home, "test")))
    except UsageError as error:
        raise IntegrityError(f"The archive is not that of {name}: {error.message}", fix=fix) from error
    if counted and counts != source.counts:
        raise IntegrityError(
            f"The archive has {counts[0]} training and {counts[1]} test images; "
            f"{name} has {source.counts[0]} and {source.counts[1]}.",
            fix="Run the same command again; for a mirror with another archive, give its digest by --checksum.",
        )
