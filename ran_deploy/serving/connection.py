"""One HTTP connection: uvicorn's protocol with limits on time and size that uvicorn itself does not set.

Without them a client that sends one byte now and then (Slowloris), or never reads its answer, would hold a
connection and its memory for ever.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: TID253 - part of the HTTP server

from ran_deploy.serving.http_limits import HttpLimits


def guarded_protocol(limits: HttpLimits) -> type[HttpToolsProtocol]:
    """Return the protocol class for a server with these limits."""

    class Guarded(_GuardedProtocol):
        pass

    Guarded.limits = limits
    return Guarded


class _GuardedProtocol(HttpToolsProtocol):
    limits: HttpLimits
    _timer: asyncio.TimerHandle | None = None
    """Runs while a message is awaited or being received."""
    _writing: asyncio.TimerHandle | None = None
    """Runs while the client does not take what is written to it."""
    _in_head = True
    _head_bytes = 0
    _ignored_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "The server has all the connections that it takes.")
            return
        self._restart(self.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.head_bytes and not self.transport.is_closing():
            self._refuse(431, f"The request's headers have more than {self.limits.head_bytes} bytes.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._restart(self.limits.head_s)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._ignored_bytes = False, 0, 0
        if len(self.pipeline) >= self.limits.pipelined:
            self.transport.abort()  # what is parsed after this goes nowhere
            return
        # Later than the application's own limit, which answers with a status.
        self._restart(self.limits.body_s + self.limits.head_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        super().on_body(body)
        if self.cycle.response_complete:  # refused early; what still comes is read so that the client sees why
            self._ignored_bytes += len(body)
            if self._ignored_bytes > self.limits.body_bytes:
                self.transport.abort()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._cancel()
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:  # uvicorn would read on after each answer, and so ahead of the answers without end
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def _restart(self, seconds: float) -> None:
        self._cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, why: str) -> None:
        body = f'{{"error":"{why}"}}'.encode()
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
