"""Fetching from a server that is good, slow, gone, or hostile: the data or one sentence, and no debris."""

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.cli.data import data_command
from ran_deploy.data import transfer
from ran_deploy.data.cifar import load_cifar
from ran_deploy.data.download import fetch_dataset
from ran_deploy.data.sources import SOURCES
from ran_deploy.errors import IntegrityError, UsageError

ARCHIVE = "cifar-10-binary.tar.gz"
PART = "cifar-10-batches-bin.part"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_RETRY_DELAYS_S", (0.01, 0.01))


@pytest.fixture
def archive(tmp_path: Path, make_cifar10: Callable[..., Path]) -> bytes:
    """CIFAR-10's archive with a few random, incompressible images."""
    folder = make_cifar10(tmp_path / "made" / "cifar-10-batches-bin", 20)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as stream:
        stream.add(folder, folder.name)
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir()) if root.exists() else []


def test_download_and_second_run(file_server: Any, archive: bytes, root: Path) -> None:
    file_server.files[ARCHIVE] = archive
    url = file_server.url(ARCHIVE)
    result = fetch_dataset("cifar10", root, url=url, checksum=_sha256(archive))
    assert (result.status, result.folder) == ("downloaded", str(root / "cifar-10-batches-bin"))
    assert (result.received_bytes, result.checksum) == (len(archive), _sha256(archive))
    assert len(load_cifar("cifar10", root, "train")) == 100
    assert _names(root) == ["cifar-10-batches-bin"]
    again = fetch_dataset("cifar10", root, url=url, checksum=_sha256(archive))
    assert (again.status, again.folder, again.received_bytes) == ("present", result.folder, 0)
    assert len(file_server.asked) == 1


def test_md5_is_understood(file_server: Any, archive: bytes, root: Path) -> None:
    file_server.files[ARCHIVE] = archive
    digest = f"MD5:{hashlib.md5(archive).hexdigest().upper()}"
    assert fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=digest).checksum == digest.lower()


def test_a_cut_is_resumed_at_once(file_server: Any, archive: bytes, root: Path) -> None:
    file_server.files[ARCHIVE] = archive
    file_server.cuts = [100_000, 50_000]
    fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=_sha256(archive))
    assert file_server.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert _names(root) == ["cifar-10-batches-bin"]


def test_a_long_failure_is_resumed_by_the_next_run(file_server: Any, archive: bytes, root: Path) -> None:
    file_server.files[ARCHIVE] = archive
    file_server.cuts = [1000, 1000, 1000]
    request = {"url": file_server.url(ARCHIVE), "checksum": _sha256(archive)}
    with pytest.raises(UsageError, match="broke off after 3000 bytes, which are kept") as caught:
        fetch_dataset("cifar10", root, **request)
    assert "goes on where it stopped" in caught.value.fix
    assert _names(root) == [PART]
    assert fetch_dataset("cifar10", root, **request).received_bytes == len(archive) - 3000
    assert file_server.asked[-1] == "bytes=3000-"
    assert _names(root) == ["cifar-10-batches-bin"]


def test_a_server_without_ranges_starts_again(file_server: Any, archive: bytes, root: Path) -> None:
    file_server.files[ARCHIVE] = archive
    file_server.ranges = False
    file_server.cuts = [1000]
    fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=_sha256(archive))
    assert _names(root) == ["cifar-10-batches-bin"]


@pytest.mark.parametrize("left", ["whole", "longer", "of another file"])
def test_what_an_earlier_run_left(file_server: Any, archive: bytes, root: Path, left: str) -> None:
    file_server.files[ARCHIVE] = archive
    root.mkdir()
    content = {"whole": archive, "longer": archive + b"more", "of another file": b"?" * 5000}[left]
    (root / PART).write_bytes(content)
    (root / ".cifar-10-batches-bin.unpacking" / "half").mkdir(parents=True)
    result = fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=_sha256(archive))
    assert (result.received_bytes == 0) == (left == "whole")
    assert _names(root) == ["cifar-10-batches-bin"]
    assert len(load_cifar("cifar10", root, "test")) == 20


@pytest.mark.parametrize("change", ["other", "truncated"])
def test_another_archive_than_the_publishers(file_server: Any, archive: bytes, root: Path, change: str) -> None:
    file_server.files[ARCHIVE] = archive if change == "other" else archive[:-1000]
    checksum = None if change == "other" else _sha256(archive)
    with pytest.raises(IntegrityError, match="is not the archive of cifar10") as caught:
        fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=checksum)
    assert (checksum or SOURCES["cifar10"].checksum or "") in caught.value.message
    assert not root.exists()


@pytest.mark.parametrize("status", [404, 403, 503])
def test_a_server_that_refuses(file_server: Any, root: Path, status: int) -> None:
    file_server.status = status
    with pytest.raises(UsageError, match=str(status)):
        fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE))
    assert len(file_server.asked) == (3 if status == 503 else 1)
    assert not root.exists()


def test_a_server_that_is_down(root: Path) -> None:
    root.mkdir()
    (root / "mine.txt").touch()
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    with pytest.raises(UsageError, match="Connection refused"):
        fetch_dataset("cifar10", root, url=f"http://127.0.0.1:{port}/x.tar.gz")
    assert _names(root) == ["mine.txt"]


def _hostile(*entries: tuple[str, bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as stream:
        for name, kind, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            stream.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        _hostile(("../evil", tarfile.REGTYPE, "")),
        _hostile(("cifar-10-batches-bin/../../evil", tarfile.REGTYPE, "")),
        _hostile(("/tmp/evil-of-ran-deploy", tarfile.REGTYPE, "")),
        _hostile(("cifar-10-batches-bin", tarfile.SYMTYPE, ".."), ("cifar-10-batches-bin/evil", tarfile.REGTYPE, "")),
        _hostile(("another-folder/file", tarfile.REGTYPE, "")),
        _hostile(("cifar-10-batches-bin/test_batch.bin", tarfile.REGTYPE, "")),
        b"no archive at all",
    ],
    ids=["above", "above-within", "absolute", "link", "other-folder", "missing-files", "no-archive"],
)
def test_hostile_archives_leave_nothing(file_server: Any, tmp_path: Path, root: Path, content: bytes) -> None:
    file_server.files[ARCHIVE] = content
    with pytest.raises(IntegrityError):
        fetch_dataset("cifar10", root, url=file_server.url(ARCHIVE), checksum=_sha256(content))
    assert not root.exists()
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/evil-of-ran-deploy").exists()


def _zipped(home: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as stream:
        for file in sorted(home.rglob("*")):
            stream.write(file, file.relative_to(home.parent))
    return buffer.getvalue()


def test_tiny_imagenet_is_counted_where_no_digest_is_given(
    file_server: Any, tmp_path: Path, root: Path, make_tiny: Callable[..., Path]
) -> None:
    content = _zipped(make_tiny(tmp_path / "made" / "tiny-imagenet-200"))
    file_server.files["tiny.zip"] = content
    with pytest.raises(IntegrityError, match="has 200 training and 200 test images; tiny-imagenet has 100000 and"):
        fetch_dataset("tiny-imagenet", root, url=file_server.url("tiny.zip"))
    assert not root.exists()
    result = fetch_dataset("tiny-imagenet", root, url=file_server.url("tiny.zip"), checksum=_sha256(content))
    assert _names(root) == ["tiny-imagenet-200"]
    for place in (root, root / "tiny-imagenet-200"):
        assert fetch_dataset("tiny-imagenet", place).folder == result.folder


def test_an_incomplete_folder_is_not_overwritten(root: Path) -> None:
    (root / "cifar-10-batches-bin").mkdir(parents=True)
    (root / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(b"mine")
    with pytest.raises(UsageError, match="does not hold all of cifar10"):
        fetch_dataset("cifar10", root)
    assert (root / "cifar-10-batches-bin" / "test_batch.bin").read_bytes() == b"mine"


def test_what_needs_or_has_no_download(root: Path) -> None:
    assert fetch_dataset("synthetic", root).status == "not-needed"
    with pytest.raises(UsageError, match="registered users") as caught:
        fetch_dataset("imagenet", root)
    assert "image-net.org" in caught.value.fix
    assert "val/<synset>" in caught.value.fix
    with pytest.raises(UsageError, match="no dataset 'cifar11'"):
        fetch_dataset("cifar11", root)
    assert not root.exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "cifar.tar.gz", "http://"])
def test_other_addresses_are_refused(root: Path, url: str) -> None:
    with pytest.raises(UsageError, match="not an address"):
        fetch_dataset("cifar10", root, url=url)


@pytest.mark.parametrize("checksum", ["abc", "sha256:12", "sha1:" + "0" * 40, "md5:" + "g" * 32])
def test_other_checksums_are_refused(root: Path, checksum: str) -> None:
    with pytest.raises(UsageError, match="not a digest"):
        fetch_dataset("cifar10", root, checksum=checksum)


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        fetch_dataset("cifar10", tmp_path / "file" / "below", url="http://127.0.0.1:9/x")
    assert "--root" in caught.value.fix


_CHILD = """
import sys
from pathlib import Path
from ran_deploy.data.download import fetch_dataset
try:
    fetch_dataset("cifar10", Path(sys.argv[1]), url=sys.argv[2], checksum=sys.argv[3])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_run_is_taken_up_and_excludes_others(
    file_server: Any, archive: bytes, root: Path, number: int, code: int
) -> None:
    """A child is stopped in the middle of the transfer; meanwhile nobody else may write the same file."""
    hold = threading.Event()

    file_server.files[ARCHIVE] = archive
    file_server.cuts = [100_000]
    file_server.hold = hold
    arguments = [str(root), file_server.url(ARCHIVE), _sha256(archive)]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (root / PART).exists() or (root / PART).stat().st_size == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(UsageError, match="Another ran-deploy is downloading"):
            fetch_dataset("cifar10", root, url=arguments[1], checksum=arguments[2])
        child.send_signal(number)
        assert child.wait(120) == code
    finally:
        hold.set()
        child.kill()
        child.wait()
    assert _names(root) == [PART]
    done = (root / PART).stat().st_size
    result = fetch_dataset("cifar10", root, url=arguments[1], checksum=arguments[2])
    assert result.received_bytes == len(archive) - done
    assert _names(root) == ["cifar-10-batches-bin"]


def test_command(file_server: Any, archive: bytes, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file_server.files[ARCHIVE] = archive
    url, digest = file_server.url(ARCHIVE), _sha256(archive)
    data_command("cifar10", root, url=url, checksum=digest)
    assert f"{digest} verified" in capsys.readouterr().out
    data_command("cifar10", root, url=url)
    assert "nothing was downloaded" in capsys.readouterr().out
    data_command("synthetic", root)
    assert "nothing to download" in capsys.readouterr().out
    data_command("cifar10", root, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.data/v1"
    assert (document["status"], document["folder"]) == ("present", os.fspath(root / "cifar-10-batches-bin"))


def test_imagenet_is_found_where_its_user_has_put_it(root: Path) -> None:
    for synset in (f"n{number:08}" for number in range(1000)):
        (root / "imagenet" / "train" / synset).mkdir(parents=True)
        (root / "imagenet" / "train" / synset / "a.JPEG").touch()
    for place in (root, root / "imagenet"):
        result = fetch_dataset("imagenet", place)
        assert (result.status, result.folder) == ("present", str(root / "imagenet" / "train"))
    (root / "imagenet" / "train" / "n00000500" / "a.JPEG").unlink()
    with pytest.raises(UsageError, match="n00000500 has no images"):
        fetch_dataset("imagenet", root)
    (root / "imagenet" / "train" / "n00000500").rmdir()
    with pytest.raises(UsageError, match="has 999 classes; imagenet has 1000"):
        fetch_dataset("imagenet", root)
