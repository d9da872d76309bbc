"""What is to be classified: image files, folders, lists and shards, in the order in which they were given."""

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.data.preprocess import SUFFIXES, images_below
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file
from ran_deploy.offline.item import Item, printable
from ran_deploy.offline.parquet_shard import ParquetShard
from ran_deploy.offline.tar_shard import check_tar, tar_items

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the inputs are, without any pixel read."""

    digest: str
    """Of the path, size and time of change of every file, in order: another digest means other inputs."""
    images: int | None
    """How many there are; None where tar files were not counted."""


@dataclass(frozen=True, slots=True)
class _File:
    """An image file or a shard."""

    path: Path
    typed: bool
    """Whether it was named as an input itself, so that what is wrong with it can be mended at once."""

    @property
    def shown(self) -> str:
        return printable(str(self.path))

    @property
    def kind(self) -> str:
        return self.path.suffix.lower()


class Inputs:
    """The images of several inputs, walked anew by each method, in the same order.

    A folder is searched for image files, sorted by name. ``@FILE`` is a list with one path on each line. ``.tar``
    files and ``.parquet`` files are shards; whatever else is named is an image.

    Args:
        given: The inputs.

    Raises:
        UsageError: There are none.
    """

    def __init__(self, given: Sequence[Path | str]) -> None:
        if not given:
            raise UsageError("No image was given.", fix=f"Give image files ({', '.join(SUFFIXES)}), folders or shards.")
        self._given = [str(one) for one in given]

    @property
    def given(self) -> tuple[str, ...]:
        """The inputs as they were given."""
        return tuple(self._given)

    def survey(self, *, count: bool = False, apart_from: Path | None = None) -> Survey:
        """Look at every file's size and time, and check what was named itself.

        Args:
            count: Count the members of tar files too, which takes a look at each.
            apart_from: A file that will be written, and so must not be among them.

        Raises:
            UsageError: A file that was named does not exist, or there is no image.
            IntegrityError: A shard that was named is damaged from its beginning.
            MissingError: There are Parquet files, and pyarrow is missing.
        """
        digest = hashlib.sha256()
        written = None if apart_from is None else os.path.abspath(apart_from)  # noqa: PTH100 - without following links
        images: int | None = 0
        files = 0
        for each in self._given:
            if each.startswith("@"):
                _keep(each[1:], written)
        for file in self._files():
            _keep(file.path, written)
            _check(file)
            _add(digest, file)
            files += 1
            more = _count(file, count)
            images = None if images is None or more is None else images + more
        if files == 0 or images == 0:
            raise self.nothing()
        return Survey(digest=digest.hexdigest(), images=images)

    def nothing(self) -> UsageError:
        """Return the error that there is no image."""
        names = ", ".join(self._given)
        return UsageError(
            f"No image was found in {names:.300}.",
            fix=f"Give image files ({', '.join(SUFFIXES)}), folders of such, .tar or .parquet shards, or @list.txt.",
        )

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the images from the number ``start`` on; memory does not grow with how many there are."""
        for file in self._files():
            if file.kind == ".tar":
                source = tar_items(file.path, file.shown)
                while start and next(source, None) is not None:
                    start -= 1
                yield from source
            elif file.kind == ".parquet":
                shard = ParquetShard(file.path, file.shown)
                rows = _rows(shard) if start else 1
                if start >= rows:
                    start -= rows
                else:
                    yield from shard.items(start)
                    start = 0
            elif start:
                start -= 1
            else:
                yield Item(file.shown, None, file.path)

    def _files(self) -> Iterator[_File]:
        for given in self._given:
            if given.startswith("@"):
                for line in _lines(Path(given[1:])):
                    yield from _expand(Path(line), typed=False)
            else:
                yield from _expand(Path(given), typed=True)


def _keep(path: Path | str, written: str | None) -> None:
    if written is not None and os.path.abspath(path) == written:  # noqa: PTH100 - without following links
        raise UsageError(f"{path} is among the inputs and would be replaced.", fix="Choose another --out.")


def _expand(path: Path, *, typed: bool) -> Iterator[_File]:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib raises on names that are too long, which a list may hold
        yield from (_File(file, typed=False) for file in images_below(path))
    else:
        yield _File(path, typed)


def _lines(path: Path) -> Iterator[str]:
    require_file(path, what="list")
    with path.open("rb") as stream:
        for line in stream:
            name = os.fsdecode(line.strip(b"\r\n"))
            if "\0" in name:
                raise IntegrityError(f"{path} is not a list of paths.", fix="Give a text file with one path per line.")
            if name:
                yield name


def _check(file: _File) -> None:
    if str(file.path).lower().endswith(_COMPRESSED):
        raise UsageError(
            f"{file.path} is compressed, so images in it cannot be found again after an interruption.",
            fix="Decompress it to .tar first; images hardly get smaller by it.",
        )
    if not file.typed:
        return
    if file.kind not in (".tar", ".parquet"):
        if not os.path.lexists(file.path):
            raise UsageError(f"The image {file.path} does not exist.", fix="Check the path.")
        return
    require_file(file.path, what="shard")
    if file.kind == ".tar":
        check_tar(file.path)
    else:
        ParquetShard(file.path, file.shown).rows()


def _add(digest: "hashlib._Hash", file: _File) -> None:
    named = ParquetShard(file.path, file.shown).paths() if file.kind == ".parquet" else ()
    for path in itertools.chain((file.path,), named):
        try:
            facts = path.stat()
            state = f"{facts.st_size} {facts.st_mtime_ns}"
        except (OSError, ValueError):
            state = "gone"
        digest.update(os.fsencode(f"{path}\0{state}\0"))


def _count(file: _File, count: bool) -> int | None:
    if file.kind == ".tar":
        return sum(1 for _ in tar_items(file.path, file.shown)) if count else None
    return _rows(ParquetShard(file.path, file.shown)) if file.kind == ".parquet" else 1


def _rows(shard: ParquetShard) -> int:
    """Return how many items a shard yields: one where it cannot be opened."""
    try:
        return shard.rows()
    except (UsageError, IntegrityError):
        return 1
