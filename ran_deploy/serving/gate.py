"""The door of a server: counts who is inside, lets nobody in once it is closed, and tells when all have left."""

import asyncio
import contextlib
from collections.abc import Iterator

from ran_deploy.serving.errors import UnavailableError


class Gate:
    """Requests that were admitted and not yet answered. Used on one event loop."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def closed(self) -> bool:
        """Whether new requests are refused."""
        return self._closed

    @property
    def inside(self) -> int:
        """Requests that were admitted and not yet answered."""
        return self._inside

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request from here to its end.

        Raises:
            UnavailableError: The gate is closed.
        """
        if self._closed:
            raise UnavailableError("The server is shutting down.", fix="Send the request to another one.")
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if self._inside == 0:
                self._empty.set()

    def close(self) -> None:
        """Refuse requests from now on; those inside go on."""
        self._closed = True

    async def emptied(self, seconds: float | None) -> bool:
        """Wait until all have left, at most so long (None: however long); whether they have."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        return self._inside == 0
