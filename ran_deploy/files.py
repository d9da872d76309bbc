"""Files that are either whole or absent: atomic writes and content hashes.

Every artefact is written to a temporary name in its own folder, flushed to the disk and renamed, so that
a kill, a full disk or Ctrl-C never leaves half a file under a final name.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.interrupts import ctrl_c_deferred
from ran_deploy.temporaries import temporary_file

_CHUNK_BYTES = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in chunks.

    Raises:
        UsageError: The file is missing or unreadable.
    """
    require_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def require_file(path: Path, *, what: str = "file", fix: str = "Check the path.") -> Path:
    """Return ``path`` if it is a readable, non-empty regular file.

    Raises:
        UsageError: It is missing, a folder, a pipe or the like, or not readable.
        IntegrityError: It is empty.
    """
    if not path.exists():
        raise UsageError(f"The {what} {path} does not exist.", fix=fix)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; the {what} must be a file.", fix=fix)
    if not path.is_file():  # a pipe, a socket or a device
        raise UsageError(f"{path} is not a regular file; the {what} must be one.", fix=fix)
    if not os.access(path, os.R_OK):
        raise UsageError(f"The {what} {path} is not readable.", fix="Check its permissions.")
    if path.stat().st_size == 0:
        raise IntegrityError(f"The {what} {path} is empty.", fix="Make or download it again.")
    return path


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` in this user's cache, which need not exist.

    It is in ``$RAN_DEPLOY_CACHE``, or else in ``ran-deploy`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if chosen := os.environ.get("RAN_DEPLOY_CACHE"):
        return Path(chosen) / name
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ran-deploy" / name


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed to ``path``.

    On any exception, Ctrl-C included, the temporary file is removed and an existing ``path`` stays as it was. One that
    a SIGKILL leaves is removed by whoever next writes the same ``path``.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    with atomic_paths(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_paths(*paths: Path, within: Path | None = None) -> Iterator[tuple[Path, ...]]:
    """Do as :func:`atomic_path` for files that belong together: Ctrl-C finds all of them new, or none.

    Args:
        paths: The files.
        within: A folder on the same disk for the temporary files; None: beside each file.

    Raises:
        UsageError: A folder cannot be written to, or its disk is full.
    """
    try:
        with contextlib.ExitStack() as stack:
            temporaries = [stack.enter_context(temporary_file(path, within or path.parent)) for path in paths]
            yield tuple(temporaries)
            for temporary in temporaries:
                _sync(temporary)
                temporary.chmod(0o666 & ~umask())
            with ctrl_c_deferred():
                for path, temporary in zip(paths, temporaries, strict=True):
                    temporary.replace(path)
            _sync(paths[0].parent)
    except OSError as error:
        raise write_error(paths[0], error) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    write_bytes(path, text.encode())


def require_output(path: Path, *suffixes: str) -> None:
    """Fail early, before long work, if the file ``path`` should not or could not be written later.

    The ending is asked for because what is written replaces what is there: a plan under a name that ends in ``.onnx``
    would be taken for a model, or be written over the one that it is made from.

    Raises:
        UsageError: Its name ends in none of ``suffixes``, it is a folder, or its folder cannot be written to.
    """
    if path.suffix not in suffixes:
        raise UsageError(
            f"The file to write is {path}; its name must end in {' or '.join(suffixes)}.",
            fix=f"Name it {path.stem or 'NAME'}{suffixes[0]}.",
        )
    require_writable(path)


def require_writable(path: Path) -> None:
    """Fail early, before long work, if ``path`` could not be written later.

    Raises:
        UsageError: It is a folder, or its folder cannot be created or written to.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; expected the name of a file to write.", fix="Name the file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise write_error(path, error) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def umask() -> int:
    """Return this process's file mode creation mask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_error(path: Path, error: OSError) -> UsageError:
    """Return the one sentence for a file or folder that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(f"The disk is full; {path} was not written.", fix="Free some space or choose another folder.")
    reason = error.strerror or str(error)
    if error.errno in (errno.EEXIST, errno.ENOTDIR):  # "File exists" would be said of what does not
        reason = next((f"{folder} is a file" for folder in path.parents if folder.is_file()), reason)
    return UsageError(f"{path} cannot be written: {reason}.", fix="Choose another folder, or check its permissions.")
