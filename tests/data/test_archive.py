"""Archives that would write elsewhere, fill the disk, or are damaged."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from ran_deploy.data.archive import unpack
from ran_deploy.errors import IntegrityError, UsageError


def _tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as stream:  # type: ignore[call-overload]
        for entry, content in entries:
            entry.size = len(content)
            stream.addfile(entry, io.BytesIO(content))
    return path


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, mode
    return entry


def _zip(path: Path, name: str, content: bytes = b"x", mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as stream:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        stream.writestr(entry, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    return folder


def _outside(folder: Path) -> list[Path]:
    """What lies beside the folder or in its parent: nothing ever should."""
    return [path for path in folder.parent.rglob("*") if folder not in (path, *path.parents)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, folder: Path, mode: str) -> None:
    program = _entry("./a/b/program", mode=0o6755)
    unpack(_tar(tmp_path / "t", (_entry("./a", tarfile.DIRTYPE), b""), (program, b"content"), mode=mode), folder)
    file = folder / "a" / "b" / "program"
    assert file.read_bytes() == b"content"
    assert not file.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


def test_zip(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w") as stream:
        stream.mkdir("empty")
        stream.writestr("a/b.txt", b"content" * 1000)
    unpack(tmp_path / "z", folder)
    assert (folder / "empty").is_dir()
    assert (folder / "a" / "b.txt").read_bytes() == b"content" * 1000


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "//evil", "..", "C:\\evil", "..\\evil", "C:evil", "a/.."]
)
def test_paths_that_lead_out(tmp_path: Path, folder: Path, name: str) -> None:
    # zipfile itself would drop the leading slash, tarfile too.
    for archive in (_tar(tmp_path / "t", (_entry(name), b"x")), _zip(tmp_path / "z", name)):
        with pytest.raises(IntegrityError, match=r"refused.*(leads out|not a relative path)"):
            unpack(archive, folder)
        assert not _outside(folder)
        assert not list(folder.iterdir())
    assert not Path("/evil").exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "harmless"),
        (tarfile.LNKTYPE, "../../secret"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_in_tar(tmp_path: Path, folder: Path, kind: bytes, target: str) -> None:
    # The second member would go through the link.
    archive = _tar(tmp_path / "t", (_entry("door", kind, target), b""), (_entry("door/evil"), b"x"))
    with pytest.raises(IntegrityError, match=r"'door' is a (link|device)"):
        unpack(archive, folder)
    assert not _outside(folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_zip(tmp_path: Path, folder: Path, mode: int) -> None:
    with pytest.raises(IntegrityError, match=r"'door' is a (link|device)"):
        unpack(_zip(tmp_path / "z", "door", b"/etc", mode | 0o777), folder)
    assert not list(folder.iterdir())


def test_members_in_conflict(tmp_path: Path, folder: Path) -> None:
    twice = _tar(tmp_path / "t", (_entry("a"), b"1"), (_entry("a"), b"2"))
    with pytest.raises(IntegrityError, match="in conflict"):
        unpack(twice, folder)
    assert (folder / "a").read_bytes() == b"1"
    below = _tar(tmp_path / "u", (_entry("f"), b"1"), (_entry("f/g"), b"2"))
    with pytest.raises(IntegrityError, match="in conflict"):
        unpack(below, folder)


def test_size_is_limited(tmp_path: Path, folder: Path) -> None:
    bomb = bytes(3 << 20)
    for archive in (_tar(tmp_path / "t", (_entry("a"), bomb)), _zip(tmp_path / "z", "b", bomb)):
        assert archive.stat().st_size < 10_000
        with pytest.raises(IntegrityError, match="more than the limit"):
            unpack(archive, folder, max_bytes=2 << 20)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 4 << 20


@pytest.mark.parametrize("kind", ["t", "z"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "replaced", "emptied"])
def test_damaged_archives(tmp_path: Path, folder: Path, kind: str, damage: str) -> None:
    noise = bytes(range(256)) * 40
    path = _tar(tmp_path / kind, (_entry("a"), noise)) if kind == "t" else _zip(tmp_path / kind, "a", noise)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(8)
    path.write_bytes(
        {
            "truncated": path.read_bytes()[:middle],
            "flipped": bytes(content),
            "replaced": b"<html>404</html>",
            "emptied": b"",
        }[damage]
    )
    with pytest.raises(IntegrityError, match="damaged or not an archive"):
        unpack(path, folder)


def test_what_follows_the_end_is_limited(tmp_path: Path, folder: Path) -> None:
    plain = _tar(tmp_path / "t", (_entry("a"), b"x"), mode="w").read_bytes()
    (tmp_path / "long").write_bytes(gzip.compress(plain + bytes(32 << 20), 1))
    with pytest.raises(IntegrityError, match="after its end"):
        unpack(tmp_path / "long", folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be unpacked into"):
        unpack(_tar(tmp_path / "t", (_entry("a"), b"x")), folder)
