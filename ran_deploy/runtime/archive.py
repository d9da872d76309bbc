"""``.ran`` archives: an engine and all that is needed to feed it, in one file. The format is in ``docs/archive.md``.

An archive is a plain ZIP whose entries are stored, not compressed, so that nothing can grow while it is read. Entries
have plain names, and each one's hash is in the header, which is the first entry; nothing is loaded before it fits.
"""

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ran_deploy.config import from_mapping
from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file, write_error

ARCHIVE_SUFFIX = ".ran"
HEADER = "ran-archive.json"
_MAX_ENTRIES = 16
_MAX_TEXT_BYTES = 16 << 20
"""Of everything but the engine."""
_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ENCRYPTED = 0x1
_FIX = "Package the engine again: ran-deploy package --format archive"


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
    with tempfile.TemporaryDirectory(prefix="ran-deploy-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            with _opened(path) as archive:
                header = _checked_header(path, archive)
                for file in header.files:
                    keep = file.name in (header.engine, f"{header.engine}.manifest.json")
                    _read(path, archive, file, folder / file.name if keep else None)
        except OSError as error:
            raise write_error(folder, error) from error
        yield folder / header.engine


def read_header(path: Path) -> ArchiveHeader:
    """Read what an archive holds; the entries' hashes are not checked.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is not an archive, or its entries are not those of its header.
    """
    with _opened(path) as archive:
        return _checked_header(path, archive)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    require_file(path, what="archive")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, EOFError) as error:
        raise _broken(path, f"is not a whole ZIP file: {error}") from error


def _checked_header(path: Path, archive: zipfile.ZipFile) -> ArchiveHeader:
    entries = archive.infolist()
    if not entries or len(entries) > _MAX_ENTRIES or entries[0].filename != HEADER:
        raise _broken(path, f"is not an archive of ran-deploy: its first entry must be {HEADER}")
    for entry in entries:
        if not _NAME.fullmatch(entry.filename):
            raise _broken(path, f"has an entry with the name {entry.filename!r:.80}, which is no plain file name")
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.flag_bits & _ENCRYPTED:
            raise _broken(path, f"has {entry.filename} compressed or encrypted; entries are stored as they are")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _broken(path, "has entries that overlap")
    header = _parsed(path, archive, entries[0])
    sizes = {file.name: file.size_bytes for file in header.files}
    listed = [file.name for file in header.files]
    if listed != [entry.filename for entry in entries[1:]] or len(sizes) != len(listed):
        raise _broken(path, "has other entries than its header lists")
    if any(entry.file_size != sizes[entry.filename] for entry in entries[1:]):
        raise _broken(path, "has entries of other sizes than its header lists")
    if header.engine not in sizes or f"{header.engine}.manifest.json" not in sizes:
        raise _broken(path, "has no engine with a manifest")
    if any(size > _MAX_TEXT_BYTES for name, size in sizes.items() if name != header.engine):
        raise _broken(path, "has a description of unreasonable size")
    return header


def _parsed(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> ArchiveHeader:
    if entry.file_size > _MAX_TEXT_BYTES:
        raise _broken(path, "has a header of unreasonable size")
    try:
        document = json.loads(archive.read(entry))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(path, f"has a header that is not JSON: {error}") from error
    return from_mapping(ArchiveHeader, document, where=f"{path}: {HEADER}", error=IntegrityError, fix=_FIX)


def _read(path: Path, archive: zipfile.ZipFile, file: ArchivedFile, target: Path | None) -> None:
    """Check an entry's hash, and write it to ``target`` if there is one."""
    digest = hashlib.sha256()
    with archive.open(file.name) as stream:
        if target is None:
            _pass_on(stream, digest, None)
        else:
            with target.open("wb") as out:
                _pass_on(stream, digest, out)
    if digest.hexdigest() != file.sha256:
        raise _broken(path, f"has {file.name} changed: its sha256 is not the one in the header")


def _pass_on(stream: IO[bytes], digest: "hashlib._Hash", out: IO[bytes] | None) -> None:
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        if out is not None:
            out.write(chunk)


def _broken(path: Path, what: str) -> IntegrityError:
    return IntegrityError(f"{path} {what}.", fix=_FIX)
