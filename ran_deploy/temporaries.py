"""Temporary files and folders beside what they become, and the removal of those that a killed process left.

Each is locked from the moment it is made until it is renamed or removed. The system lets go of a lock when its process
ends, however it ends, so one whose lock can be had belongs to nobody any more. Where a file system has no locks,
nothing is ever removed.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ran_deploy.locks import lock

_RANDOM = r"[a-z0-9_]{8}"
"""What tempfile puts between prefix and suffix."""


@contextlib.contextmanager
def temporary_file(path: Path, folder: Path) -> Iterator[Path]:
    """Yield an empty file in ``folder`` that may be renamed to ``path``; else it is removed in the end.

    What earlier processes that were killed have left there of the same ``path`` is removed first.

    Raises:
        OSError: It cannot be made.
    """
    with _held(path, folder, _new_file) as temporary:
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Do as :func:`temporary_file` for an empty folder, beside ``path``.

    Raises:
        OSError: It cannot be made.
    """
    with _held(path, path.parent, _new_folder) as temporary:
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _held(path: Path, folder: Path, new: Callable[[Path, Path], tuple[int, Path]]) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left_over(path, folder)
    while True:
        descriptor, temporary = new(path, folder)
        # Between its making and its lock, another process may have taken it for one that was left.
        if _lock(descriptor, without_locks=True) and temporary.exists():
            break
        os.close(descriptor)
    try:
        yield temporary
    finally:
        os.close(descriptor)


def _new_file(path: Path, folder: Path) -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.", suffix=".tmp")
    return descriptor, Path(name)


def _new_folder(path: Path, folder: Path) -> tuple[int, Path]:
    name = tempfile.mkdtemp(dir=folder, prefix=f".{path.name}.", suffix=".tmp")
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY), Path(name)


def _remove_left_over(path: Path, folder: Path) -> None:
    """Remove what nobody holds; what cannot be removed stays, as it is in nobody's way."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.{_RANDOM}\.tmp")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if ours.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    _remove(Path(entry), os.O_RDONLY | os.O_DIRECTORY, shutil.rmtree)
                elif entry.is_file(follow_symlinks=False):
                    _remove(Path(entry), os.O_RDWR, Path.unlink)


def _remove(path: Path, flags: int, remove: Callable[[Path], None]) -> None:
    descriptor = os.open(path, flags | os.O_NOFOLLOW)
    try:
        if _lock(descriptor, without_locks=False):
            remove(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, without_locks: bool) -> bool:
    try:
        return lock(descriptor)
    except OSError:
        return without_locks
