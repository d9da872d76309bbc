"""Package folders that are either whole or absent, and that never take the place of anything else."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_file, umask, write_error
from ran_deploy.interrupts import ctrl_c_deferred
from ran_deploy.packaging.record import RECORD
from ran_deploy.packaging.result import PackagedFile
from ran_deploy.temporaries import temporary_folder


def check_target(out: Path, *, force: bool) -> None:
    """Check, before any work, that a package may be written to ``out``.

    Args:
        out: The folder: absent, or empty, or with ``force`` an earlier package.
        force: Let a package be replaced.

    Raises:
        UsageError: It holds something else, or is a file.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file; a package is a folder.", fix="Choose another --out.")
    if not any(out.iterdir()):
        return
    if not (out / RECORD).is_file():
        raise UsageError(f"{out} is there already, and is not a package of ran-deploy.", fix="Choose another --out.")
    if not force:
        raise UsageError(
            f"{out} is a package already.",
            fix="Choose another --out, replace it with --force, or add to a Triton repository with --version N.",
        )


@contextlib.contextmanager
def new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside ``out``; on success it is synced and takes the name ``out``.

    On any exception, Ctrl-C included, the folder is removed and what was at ``out`` stays as it was.

    Raises:
        UsageError: As :func:`check_target`, or the folder cannot be written to, or its disk is full.
    """
    check_target(out, force=force)
    out = out.resolve()  # of a link, what it points to is replaced
    with staging(out) as temporary:
        yield temporary
        sync_tree(temporary)
        with ctrl_c_deferred():
            _take_place(temporary, out)


@contextlib.contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """Yield an empty folder beside another, which is removed afterwards where it has not been renamed.

    Raises:
        UsageError: The place cannot be written to, or its disk is full.
    """
    try:
        with temporary_folder(beside) as temporary:
            temporary.chmod(0o777 & ~umask())
            yield temporary
    except OSError as error:
        raise write_error(beside, error) from error


def sync_tree(folder: Path) -> None:
    """Flush a folder and all that is in it to the disk."""
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in names)):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def list_files(folder: Path) -> tuple[PackagedFile, ...]:
    """Return the files of a package with their hashes, in the order of their names."""
    return tuple(
        PackagedFile(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size > 0
    )


def _take_place(temporary: Path, out: Path) -> None:
    if not out.exists() or not any(out.iterdir()):
        temporary.replace(out)  # an empty folder gives way
        return
    earlier = temporary.with_suffix(".old")
    out.replace(earlier)
    try:
        temporary.replace(out)
    except BaseException:
        earlier.replace(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
