"""Archives that were not made as they should be are refused before anything in them is loaded."""

import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_bytes
from ran_deploy.runtime.archive import HEADER, extracted, read_header

ENGINE, MANIFEST = b"engine" * 50, b"{}"

Entries = list[tuple[Any, bytes]]


def header_for(entries: Entries, **changes: Any) -> bytes:
    described = [
        {"name": str(name), "size_bytes": len(content), "sha256": sha256_bytes(content)} for name, content in entries
    ]
    return json.dumps({"schema": "ran-deploy.archive/v1", "engine": "a.onnx", "files": described, **changes}).encode()


def whole() -> Entries:
    files: Entries = [("a.onnx.manifest.json", MANIFEST), ("labels.txt", b"cat\n"), ("a.onnx", ENGINE)]
    return [(HEADER, header_for(files)), *files]


def write(path: Path, entries: Entries, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_what_is_extracted_and_that_it_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "private"))
    (tmp_path / "private").mkdir()
    with extracted(write(tmp_path / "a.ran", whole())) as engine:
        assert engine.read_bytes() == ENGINE
        assert sorted(path.name for path in engine.parent.iterdir()) == ["a.onnx", "a.onnx.manifest.json"]
        assert engine.parent.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "private").iterdir()) == []


def test_two_at_once_have_their_own_folders(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ran", whole())
    with extracted(path) as first, extracted(path) as second:
        assert first != second
        assert first.read_bytes() == second.read_bytes()


def changed(change: Callable[[Entries], Entries]) -> Callable[[Path], Path]:
    return lambda folder: write(folder / "a.ran", change(whole()))


def with_header(**changes: Any) -> Callable[[Path], Path]:
    return changed(lambda entries: [(HEADER, header_for(entries[1:], **changes)), *entries[1:]])


def renamed(name: str) -> Callable[[Path], Path]:
    return changed(lambda entries: [*entries[:2], (name, b"cat\n"), entries[3]])


def compressed(folder: Path) -> Path:
    return write(folder / "a.ran", whole(), zipfile.ZIP_DEFLATED)


def truncated(folder: Path) -> Path:
    path = write(folder / "a.ran", whole())
    path.write_bytes(path.read_bytes()[:-40])
    return path


def flipped(folder: Path) -> Path:
    """Change the engine and the checksum that ZIP itself has for it, so that only the header tells."""
    return write(folder / "a.ran", [*whole()[:-1], ("a.onnx", b"ENGINE" * 50)])


def corrupted(folder: Path) -> Path:
    path = write(folder / "a.ran", whole())
    path.write_bytes(path.read_bytes().replace(ENGINE, b"ENGINE" * 50))
    return path


def encrypted(folder: Path) -> Path:
    path = write(folder / "a.ran", whole())
    content = bytearray(path.read_bytes())
    content[6] |= 1
    path.write_bytes(content)
    return path


def bomb(folder: Path) -> Path:
    """An entry that claims to have four gigabytes."""
    path = write(folder / "a.ran", whole())
    content = bytearray(path.read_bytes())
    struct.pack_into("<II", content, 18, 0xFFFFFFFF, 0xFFFFFFFF)
    path.write_bytes(content)
    return path


def another_directory(folder: Path) -> Path:
    """The directory at the end of the file belongs to other entries than those at its beginning."""
    path = write(folder / "a.ran", whole())
    other = write(folder / "b.ran", whole()[:-1]).read_bytes()
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"PK\x01\x02")] + other[other.index(b"PK\x01\x02") :])
    return path


def link(folder: Path) -> Path:
    """An entry whose attributes make it a symbolic link for those who honour them; here it is a file like others."""
    info = zipfile.ZipInfo("a.onnx")
    info.external_attr = 0o120777 << 16
    return write(folder / "a.ran", [*whole()[:-1], (info, b"/etc/passwd")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (compressed, "compressed or encrypted"),
        (encrypted, "compressed or encrypted"),
        (truncated, "is not a whole archive"),
        (corrupted, "has a.onnx changed"),
        (flipped, "has a.onnx changed"),
        (bomb, "is cut off"),
        (another_directory, "is not a whole archive"),
        (link, "other entries than its header lists"),
        (changed(lambda entries: entries[1:]), f"its first entry must be {HEADER}"),
        (changed(lambda entries: [*entries[1:], entries[0]]), f"its first entry must be {HEADER}"),
        (changed(lambda entries: [*entries, ("extra", b"")]), "other entries than its header lists"),
        (changed(lambda entries: entries[:-1]), "other entries than its header lists"),
        (changed(lambda entries: [*entries, *((f"x{n}", b"") for n in range(20))]), "too many entries"),
        (renamed("../outside"), "no plain file name"),
        (renamed("/etc/passwd"), "no plain file name"),
        (renamed("a/b"), "no plain file name"),
        (renamed("..\\outside"), "no plain file name"),
        (renamed(".."), "no plain file name"),
        (renamed("C:"), "no plain file name"),
        (with_header(engine="b.onnx"), "no engine with a manifest"),
        (with_header(engine="labels.txt"), "no engine with a manifest"),
        (with_header(schema="ran-deploy.archive/v2"), "expected one of 'ran-deploy.archive/v1'"),
        (with_header(more=1), "'more' is not a known key"),
        (with_header(files=[]), "other entries than its header lists"),
        (changed(lambda entries: [(HEADER, b"{"), *entries[1:]]), "not JSON"),
        (changed(lambda entries: [(HEADER, b"[" * 100_000), *entries[1:]]), "not JSON"),
        (changed(lambda entries: [(HEADER, b"\xff\xfe"), *entries[1:]]), "not JSON"),
    ],
)
def test_a_broken_archive(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    path = make(tmp_path)

    def extract() -> None:
        with extracted(path):
            pytest.fail("nothing may be opened")

    with pytest.raises(IntegrityError, match=message) as caught:
        extract()
    assert str(path) in caught.value.message
    assert caught.value.fix


def test_a_name_that_occurs_twice(tmp_path: Path) -> None:
    files = whole()[1:]
    twice = [*files[:2], files[1], files[2]]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "a.ran", [(HEADER, header_for(twice)), *twice])
    with pytest.raises(IntegrityError, match="other entries than its header lists"):
        read_header(path)


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_header(tmp_path / "absent.ran")
    (tmp_path / "empty.ran").touch()
    with pytest.raises(IntegrityError, match="is empty"):
        read_header(tmp_path / "empty.ran")
    (tmp_path / "text.ran").write_text("text")
    with pytest.raises(IntegrityError, match="is not a whole archive"):
        read_header(tmp_path / "text.ran")


def test_cuts_and_flips_are_refused_in_the_same_way(tmp_path: Path) -> None:
    content = write(tmp_path / "whole.ran", whole()).read_bytes()
    path = tmp_path / "a.ran"

    def outcome(changed: bytes) -> bytes | None:
        path.write_bytes(changed)
        try:
            with extracted(path) as engine:
                return engine.read_bytes()
        except IntegrityError:
            return None

    for length in range(1, len(content), 31):
        assert outcome(content[:length]) is None, length
    for at in range(0, len(content), 5):
        flipped = bytearray(content)
        flipped[at] ^= 0x55
        # What no reader looks at, such as times, may change; what is opened may not.
        assert outcome(bytes(flipped)) in (None, ENGINE), at
