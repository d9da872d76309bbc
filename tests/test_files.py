import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import (
    atomic_path,
    atomic_paths,
    require_file,
    require_output,
    require_writable,
    sha256_file,
    write_bytes,
    write_text,
)


@pytest.mark.parametrize(
    ("make", "says"), [(Path.mkdir, "is a folder; the image must be a file"), (os.mkfifo, "is not a regular file; the")]
)
def test_what_is_no_file_is_called_by_its_name(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(UsageError, match=says):
        require_file(tmp_path / "x.png", what="image")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fail_halfway(path: Path, error: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_a_failure_keeps_the_old_file_and_leaves_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail_halfway(path, error())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a.bin"}


def write_pair(first: Path, second: Path) -> None:
    with atomic_paths(first, second) as (a, b):
        a.write_text("new")
        b.write_text("new")


def test_ctrl_c_between_two_renames_waits_for_the_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        result = replace(self, target)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_pair(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == {"a", "b"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "x")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for write in (lambda p: write_text(p, "x"), require_writable):
        with pytest.raises(UsageError, match=r"cannot be written: .*/file is a file\.") as caught:
            write(tmp_path / "file" / "a.txt")
        with pytest.raises(UsageError, match=r"cannot be written: .*/file is a file\."):
            write(tmp_path / "file" / "deeper" / "a.txt")
        assert caught.value.fix == "Choose another folder, or check its permissions.", "whatever option named it"


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to mount a small tmpfs")
    return folder


def test_a_full_disk_is_said_and_the_old_file_stays(small_disk: Path) -> None:
    try:
        path = small_disk / "a.bin"
        write_bytes(path, b"old")
        with pytest.raises(UsageError, match="disk is full"):
            write_bytes(path, b"x" * 200_000)
        assert path.read_bytes() == b"old"
        assert names(small_disk) == {"a.bin"}
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_require_output(tmp_path: Path) -> None:
    require_output(tmp_path / "new" / "x.htm", ".html", ".htm")
    assert names(tmp_path / "new") == set()
    with pytest.raises(UsageError, match=r"must end in \.html or \.htm") as caught:
        require_output(tmp_path / "x.onnx", ".html", ".htm")
    assert caught.value.fix == "Name it x.html."
    (tmp_path / "x.html").mkdir()
    with pytest.raises(UsageError, match=r"x\.html is a folder; expected the name of a file to write"):
        require_output(tmp_path / "x.html", ".html")


def test_require_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        require_file(tmp_path / "no")
    with pytest.raises(UsageError, match="folder"):
        require_file(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(IntegrityError, match="empty"):
        require_file(tmp_path / "empty")


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
