"""Keep two downloads into one folder apart, and the folder free of what a failure would leave."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ran_deploy.errors import UsageError
from ran_deploy.files import require_writable
from ran_deploy.locks import lock


@contextlib.contextmanager
def made(root: Path) -> Iterator[None]:
    """Make the folder, and on a failure take it away again if it was not there and nothing stayed in it.

    Raises:
        UsageError: It cannot be made or written to.
    """
    existed = root.exists()
    try:
        require_writable(root / "archive")
    except UsageError as error:
        raise UsageError(error.message, fix="Choose another folder with --root.") from error
    try:
        yield
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):
                root.rmdir()
        raise


@contextlib.contextmanager
def claimed(part: Path) -> Iterator[None]:
    """Hold the partial file for this process alone; an empty one is removed in the end.

    Raises:
        UsageError: Another process holds it.
    """
    with _opened(part) as stream:
        if not lock(stream):
            raise UsageError(
                f"Another ran-deploy is downloading to {part}.", fix="Wait until it is done, then run this again."
            )
        try:
            yield
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()


def _opened(part: Path) -> IO[bytes]:
    try:
        return part.open("ab")
    except OSError as error:
        raise UsageError(
            f"{part} cannot be written: {error.strerror}.", fix="Remove it, or check its rights."
        ) from error
