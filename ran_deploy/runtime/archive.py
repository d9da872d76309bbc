"""``.ran`` archives: an engine and all that is needed to feed it, in one file. The format is in ``docs/archive.md``.

An archive is a plain ZIP whose entries are stored, not compressed, so that nothing can grow while it is read. Names are
plain, and the header, which is the first entry, has each other entry's hash; nothing is loaded before all of them fit.
The entries are read here by their own headers, from the first byte on, because the directory at the end of a ZIP may
say something else.
"""

import hashlib
import json
import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple

from ran_deploy.config import from_mapping
from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file, write_error

ARCHIVE_SUFFIX = ".ran"
HEADER = "ran-archive.json"
_MAX_ENTRIES = 16
_MAX_TEXT_BYTES = 16 << 20
"""Of everything but the engine."""
_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_FIX = "Package the engine again: ran-deploy package --format archive"

# APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_SIGNATURE, _DIRECTORY_SIGNATURE, _END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END = struct.Struct("<4sHHHHIIH")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file in an archive."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveHeader:
    """What the first entry says of the others."""

    engine: str
    """Name of the engine's entry; its manifest is ``<engine>.manifest.json``."""
    files: tuple[ArchivedFile, ...]
    """All entries after the header, in their order."""
    schema: Literal["ran-deploy.archive/v1"] = "ran-deploy.archive/v1"


class _Entry(NamedTuple):
    name: str
    offset: int
    size: int


@contextmanager
def extracted(path: Path) -> Iterator[Path]:
    """Yield the engine of an archive as a file with its manifest beside it; both are gone afterwards.

    They are in a folder that only this user can enter and that no other process shares, so that several may open one
    archive at once. What was loaded from them stays loaded.

    Args:
        path: The archive.

    Raises:
        UsageError: The file is missing, or the disk for temporary files is full.
        IntegrityError: It is not an archive, or an entry is not what the header says.
    """
    require_file(path, what="archive")
    with tempfile.TemporaryDirectory(prefix="ran-deploy-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            with path.open("rb") as stream:
                header, entries = _read_header(path, stream)
                kept = (header.engine, f"{header.engine}.manifest.json")
                for file, entry in zip(header.files, entries, strict=True):
                    _check(path, stream, file, entry, folder / file.name if file.name in kept else None)
        except OSError as error:
            raise write_error(folder, error) from error
        yield folder / header.engine


def read_header(path: Path) -> ArchiveHeader:
    """Read what an archive holds; the entries' hashes are not checked.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is not an archive, or its entries are not those of its header.
    """
    require_file(path, what="archive")
    with path.open("rb") as stream:
        return _read_header(path, stream)[0]


def _read_header(path: Path, stream: IO[bytes]) -> tuple[ArchiveHeader, list[_Entry]]:
    first, *entries = _walk(path, stream)
    if first.name != HEADER or first.size > _MAX_TEXT_BYTES:
        raise _broken(path, f"is not an archive of ran-deploy: its first entry must be {HEADER}")
    stream.seek(first.offset)
    try:
        document = json.loads(stream.read(first.size))
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"has a header that is not JSON: {error}") from error
    header = from_mapping(ArchiveHeader, document, where=f"{path}: {HEADER}", error=IntegrityError, fix=_FIX)
    listed = [(file.name, file.size_bytes) for file in header.files]
    if listed != [(entry.name, entry.size) for entry in entries] or len(dict(listed)) != len(listed):
        raise _broken(path, "has other entries than its header lists")
    sizes = dict(listed)
    if header.engine not in sizes or f"{header.engine}.manifest.json" not in sizes:
        raise _broken(path, "has no engine with a manifest")
    if any(size > _MAX_TEXT_BYTES for name, size in sizes.items() if name != header.engine):
        raise _broken(path, "has a description of unreasonable size")
    return header, entries


def _walk(path: Path, stream: IO[bytes]) -> list[_Entry]:
    """Return the entries by their local headers, which must fill the file up to a directory of as many entries."""
    size = path.stat().st_size
    entries: list[_Entry] = []
    at = 0
    while (head := _read_at(stream, at, _LOCAL.size))[:4] == _LOCAL_SIGNATURE and len(head) == _LOCAL.size:
        _, _, flags, method, _, _, _, packed, length, name_bytes, extra_bytes = _LOCAL.unpack(head)
        name = _read_at(stream, at + _LOCAL.size, name_bytes).decode("latin-1")
        if not _NAME.fullmatch(name):
            raise _broken(path, f"has an entry with the name {name!r:.80}, which is no plain file name")
        if flags or method or packed != length:
            raise _broken(path, f"has {name} compressed or encrypted; entries are stored as they are")
        offset = at + _LOCAL.size + name_bytes + extra_bytes
        entries.append(_Entry(name, offset, length))
        at = offset + length
        if at > size or len(entries) > _MAX_ENTRIES:
            raise _broken(path, "is cut off, or has too many entries")
    end = _read_at(stream, size - _END.size, _END.size) if size >= _END.size else b""
    directory = (_END_SIGNATURE, 0, 0, len(entries), len(entries), size - _END.size - at, at, 0)
    if not entries or head[:4] != _DIRECTORY_SIGNATURE or len(end) < _END.size or _END.unpack(end) != directory:
        raise _broken(path, "is not a whole archive of ran-deploy")
    return entries


def _read_at(stream: IO[bytes], offset: int, size: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


def _check(path: Path, stream: IO[bytes], file: ArchivedFile, entry: _Entry, target: Path | None) -> None:
    """Check an entry's hash, and write it to ``target`` if there is one."""
    digest = hashlib.sha256()
    with target.open("wb") if target is not None else nullcontext() as out:
        for chunk in _chunks(stream, entry):
            digest.update(chunk)
            if out is not None:
                out.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise _broken(path, f"has {file.name} changed: its sha256 is not the one in the header")


def _chunks(stream: IO[bytes], entry: _Entry) -> Iterator[bytes]:
    stream.seek(entry.offset)
    left = entry.size
    while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def _broken(path: Path, what: str) -> IntegrityError:
    return IntegrityError(f"{path} {what}.", fix=_FIX)
