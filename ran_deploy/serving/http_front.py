"""The outermost layer of the HTTP application: admits, limits, answers errors, and writes the log's line."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException  # noqa: TID253 - this file is part of the HTTP server
from starlette.requests import ClientDisconnect  # noqa: TID253
from starlette.responses import JSONResponse, Response  # noqa: TID253

from ran_deploy.serving.errors import QueueFullError, UnavailableError
from ran_deploy.serving.http_limits import GuardedBody, Held, HttpLimits, Message, Receive
from ran_deploy.serving.refusals import http_status, told
from ran_deploy.serving.service import Service

Scope = Any
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("ran_deploy.serving")
INFERENCE = ("/infer", "/classify")
"""How the addresses of inference requests end."""
_GONE = 499
"""What the log says of a client that went away before its answer; nothing can be sent to it."""


def error_response(error: BaseException) -> Response:
    """Return the answer to a request that failed: ``{"error": …}`` with the documented status."""
    if isinstance(error, HTTPException):
        said = error.detail
        if error.status_code == 405:
            said = f"This address takes another method: {(error.headers or {}).get('Allow', 'GET')}."
        return JSONResponse({"error": said}, error.status_code, headers=error.headers)
    headers = {"retry-after": "1"} if isinstance(error, QueueFullError) else None
    return JSONResponse({"error": told(error)}, http_status(error), headers=headers)


class Front:
    """Wraps an ASGI application.

    Args:
        app: Raises what goes wrong.
        service: Whose gate requests that change or compute something must pass.
        limits: For bodies.
    """

    def __init__(self, app: App, service: Service, limits: HttpLimits) -> None:
        self._app, self._service, self._limits = app, service, limits
        self._held = Held(limits.held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if expects and not body.complete:  # the client may now send the body or not: nobody could tell
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        headers = dict(scope["headers"])
        expects = b"expect" in headers
        body = GuardedBody(receive, _length(headers.get(b"content-length")), self._limits, self._held)
        scope["app"] = self._app  # tells Starlette's routes to raise what they would else answer as plain text
        try:
            if scope["method"] == "POST":
                await self._admit(scope, body, sending)
            else:
                await self._answer(scope, body, sending)
        except ClientDisconnect:
            status = _GONE
        finally:
            body.release()
            if _LOG.isEnabledFor(logging.DEBUG):
                _log(scope, status, time.perf_counter() - begun)

    async def _admit(self, scope: Scope, body: GuardedBody, send: Send) -> None:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._service.gate.admitted())
            except UnavailableError as error:
                if scope["path"].endswith(INFERENCE):
                    self._service.refused("http")
                await error_response(error)(scope, body, send)
            else:
                await self._answer(scope, body, send)

    async def _answer(self, scope: Scope, body: GuardedBody, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, body, sending)
        except ClientDisconnect:
            raise
        except Exception as error:
            if http_status(error) == 500 and not isinstance(error, HTTPException):
                _LOG.exception("failed inside: %s %s", scope["method"], _path(scope))
            if started:
                raise  # half an answer is on its way: the connection must end
            await error_response(error)(scope, body, sending)


def _length(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


def _path(scope: Scope) -> str:
    return bytes(scope.get("raw_path") or b"").decode("ascii", "backslashreplace")


def _log(scope: Scope, status: int, seconds: float) -> None:
    fields = {
        "protocol": "http",
        "method": scope["method"],
        "path": _path(scope),
        "status": status,
        "ms": round(1000 * seconds, 3),
        "client": "{}:{}".format(*(scope.get("client") or ("?", 0))),
    }
    _LOG.debug("request", extra={"fields": fields})
