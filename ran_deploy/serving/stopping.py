"""SIGTERM and Ctrl-C of a server: the first asks it to finish, the second ends it at once."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Set by the first signal."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.signal: signal.Signals | None = None
        """Which one it was."""

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._event.wait()

    def __call__(self, number: signal.Signals) -> None:
        """Take a signal."""
        if self.signal is not None:
            os._exit(128 + number)  # what a shell calls an end by a signal; the workers notice that they are alone
        self.signal = number
        self._event.set()


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Turn the signals of the main thread into a :class:`Stop` until the end."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
