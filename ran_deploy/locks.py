"""One process at a time in a file or folder.

The system lets go of a lock when its process ends, however it ends, so one that was killed blocks nobody.
"""

import fcntl
from typing import Protocol


class _Opened(Protocol):
    def fileno(self) -> int: ...


def lock(opened: int | _Opened) -> bool:
    """Hold an open file, or a folder's descriptor, until it is closed; return False if somebody else holds it."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
