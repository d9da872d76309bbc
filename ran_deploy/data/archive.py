"""Unpack archives that nobody vouches for: only plain files and folders, only below the folder given."""

import errno
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.progress import Progress

MAX_BYTES = 8 << 30
"""Largest total size of an archive's files; the sets known here unpack to less than 1 GiB."""
MAX_MEMBERS = 2_000_000
_CHUNK_BYTES = 1 << 20
_TRAILER_BYTES = 16 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FIX = "Download the archive again, from its publisher."


@dataclass(frozen=True, slots=True)
class _Member:
    """An archive's member: its path, what it is, and its content unless it is a folder."""

    name: str
    kind: str
    """"file", "folder", or what else it is."""
    content: IO[bytes] | None


def unpack(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip archive into the existing empty ``folder``.

    Permissions, owners and times in the archive are ignored. Nothing is created but folders and new plain
    files, so that no member can lead another out of ``folder``.

    Raises:
        IntegrityError: The archive is damaged; has an absolute path, one with "..", a link, a device or the same
            file twice; or unpacks to more than ``max_bytes``.
        UsageError: The folder cannot be written to, or its disk is full.
    """
    room = max_bytes
    try:
        with Progress(f"unpack {archive.name}", 0, "files") as progress:
            for member in _members(archive):
                target = folder / _safe_path(archive, member)
                if member.content is None:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                room = _copy(archive, member.content, target, room)
                progress.advance(1)
    except RanDeployError:
        raise
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
            raise IntegrityError(f"{archive} has members in conflict: {error.filename}.", fix=_FIX) from error
        if error.errno is None:  # raised by the reader of a damaged archive, not by the system
            raise _damaged(archive, error) from error
        reason = "the disk is full" if error.errno in _NO_ROOM else error.strerror
        raise UsageError(
            f"{archive} cannot be unpacked into {folder}: {reason}.", fix="Free some space or choose another folder."
        ) from error
    except Exception as error:  # a damaged archive can make the readers raise nearly anything
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> IntegrityError:
    return IntegrityError(f"{archive} is damaged or not an archive: {error}.", fix=_FIX)


def _members(archive: Path) -> Iterator[_Member]:
    members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    for count, member in enumerate(members):
        if count == MAX_MEMBERS:
            raise IntegrityError(f"{archive} has more than {MAX_MEMBERS} members.", fix=_FIX)
        yield member


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive, "r:*") as stream:
        for entry in stream:
            if entry.isreg():
                yield _Member(entry.name, "file", stream.extractfile(entry))
            elif entry.isdir():
                yield _Member(entry.name, "folder", None)
            else:
                kind = "link" if entry.issym() or entry.islnk() else "device or other special file"
                yield _Member(entry.name, kind, None)
        _read_out(stream, archive)


def _read_out(stream: tarfile.TarFile, archive: Path) -> None:
    """Read what follows the last member, since compressed files carry their check sum at the very end."""
    for _ in range(_TRAILER_BYTES // _CHUNK_BYTES):
        if stream.fileobj is None or not stream.fileobj.read(_CHUNK_BYTES):
            return
    raise IntegrityError(f"{archive} goes on for more than {_TRAILER_BYTES} bytes after its end.", fix=_FIX)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as stream:
        for entry in stream.infolist():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            if entry.is_dir():
                yield _Member(entry.filename, "folder", None)
            elif mode in (0, stat.S_IFREG):
                with stream.open(entry) as content:
                    yield _Member(entry.filename, "file", content)
            else:
                kind = "link" if mode == stat.S_IFLNK else "device or other special file"
                yield _Member(entry.filename, kind, None)


def _safe_path(archive: Path, member: _Member) -> PurePosixPath:
    """Return the member's relative path, or refuse it."""
    path = PurePosixPath(member.name)
    if member.kind not in ("file", "folder"):
        problem = f"is a {member.kind}"
    elif path.is_absolute() or "\\" in member.name or ":" in member.name or "\0" in member.name:
        problem = "is not a relative path"
    elif ".." in path.parts:
        problem = "leads out of the folder"
    else:
        return path
    raise IntegrityError(f"{archive} has a member that is refused: {member.name!r:.120} {problem}.", fix=_FIX)


def _copy(archive: Path, content: IO[bytes], target: Path, room: int) -> int:
    """Write a member to a new file; return how many bytes may still follow."""
    with target.open("xb") as stream:
        while chunk := content.read(_CHUNK_BYTES):
            room -= len(chunk)
            if room < 0:
                raise IntegrityError(f"{archive} unpacks to more than the limit.", fix=_FIX)
            stream.write(chunk)
    return room
