"""Where the time of serving comes from; tests bring a clock that they turn by hand."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not call; harmless when it has been called."""


class Clock(Protocol):
    """Tells the time and calls later."""

    def now(self) -> float:
        """Return the time in seconds; only differences mean something."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the event loop at the time ``when``, or soon if that has passed."""


class MonotonicClock:
    """This machine's :func:`time.monotonic`, which is the same in all threads and event loops."""

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the running event loop at the time ``when``."""
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)
