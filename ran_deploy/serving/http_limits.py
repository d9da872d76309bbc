"""What one HTTP client may take of the server: bytes, seconds and connections."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.serving.errors import QueueFullError
from ran_deploy.serving.refusals import SlowClientError, TooLargeError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of one server; those in seconds end a connection that does not get on."""

    body_bytes: int = 32 * 1024 * 1024
    """Most bytes of one request's body."""
    held_bytes: int = 512 * 1024 * 1024
    """Most bytes of bodies that are held at once, of all requests together."""
    head_bytes: int = 64 * 1024
    """Most bytes of a request's line and headers."""
    connections: int = 512
    pipelined: int = 64
    """Most requests of one connection that wait for the one before them."""
    head_s: float = 10.0
    """From a connection's start, or a request's first byte, to the end of its headers."""
    body_s: float = 30.0
    """From there to the end of its body."""
    write_s: float = 30.0
    """For a client to take what was written to it, once the buffers are full."""
    idle_s: float = 75.0
    """Between two requests of one connection."""

    def __post_init__(self) -> None:
        """Check the ranges, and that one body fits among those that are held."""
        for name in ("body_bytes", "head_bytes", "connections", "pipelined", "head_s", "body_s", "write_s", "idle_s"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected more than 0.")
        if self.held_bytes < self.body_bytes:
            raise UsageError(f"held_bytes is {self.held_bytes}; expected at least body_bytes, {self.body_bytes}.")


class Held:
    """Bytes of bodies that are in memory, of all requests together."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0

    def take(self, count: int) -> None:
        """Reserve bytes.

        Raises:
            QueueFullError: That would be more than the limit.
        """
        if self._bytes + count > self._limit:
            raise QueueFullError("The requests that are being served fill the memory set aside for them.")
        self._bytes += count

    def release(self, count: int) -> None:
        """Give bytes back."""
        self._bytes -= count


class GuardedBody:
    """The receiving side of one request, within the limits; use it in place of ASGI's ``receive``.

    A body that is too large is refused by its announced length, before a byte of it is read, or as soon as it grows
    too large.
    """

    def __init__(self, receive: Receive, announced: int | None, limits: HttpLimits, held: Held) -> None:
        self._receive, self._announced, self._limits, self._held = receive, announced, limits, held
        self._until: float | None = None
        self._bytes = 0
        self.complete = False
        """Whether the whole body was read."""

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            TooLargeError: The body has more bytes than are taken.
            SlowClientError: It was not there in time.
            QueueFullError: The bodies of all requests together are too large.
        """
        if self.complete:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._limits.body_s
            self._check(self._announced or 0)
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise SlowClientError(f"The body was not there after {self._limits.body_s:g} s.") from error
        if message["type"] == "http.request":
            count = len(message.get("body", b""))
            self._check(self._bytes + count)
            self._held.take(count)
            self._bytes += count
            self.complete = not message.get("more_body", False)
        return message

    def release(self) -> None:
        """Give back what was held; the request is over."""
        self._held.release(self._bytes)
        self._bytes = 0

    def _check(self, count: int) -> None:
        if count > self._limits.body_bytes:
            raise TooLargeError(
                f"The body has {count} bytes or more; at most {self._limits.body_bytes} are taken.",
                fix="Send fewer images at once.",
            )
