"""An HTTP and a gRPC server before one service, on the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from uvicorn import Config, Server  # noqa: TID253 - this file is part of the HTTP server

from ran_deploy.optional import require
from ran_deploy.serving.addresses import Addresses, bind, cannot_listen, check_port, is_loopback, joined
from ran_deploy.serving.connection import guarded_protocol
from ran_deploy.serving.grpc_service import GrpcService
from ran_deploy.serving.http_app import make_app
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.page import page_routes
from ran_deploy.serving.service import Service

LAST_S = 5
"""For connections to end after all that was accepted has been answered."""
_MESSAGE_OVERHEAD = 64 * 1024
"""Bytes of a gRPC message beside its tensors."""


class Listener:
    """Listens for HTTP and gRPC until it is stopped.

    Args:
        service: Answers.
        limits: For clients.
    """

    def __init__(self, service: Service, limits: HttpLimits) -> None:
        self._service, self._limits = service, limits
        self._app = make_app(service, limits, page_routes(service))
        self._http: _HttpServer | None = None
        self._grpc: Any = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, grpc_port: int | None) -> Addresses:
        """Listen.

        Args:
            host: Name or address of this machine.
            port: For HTTP; 0: a free one.
            grpc_port: For gRPC; 0: a free one; None: none.

        Raises:
            UsageError: A port is in use or not allowed, or the host is not one of this machine.
        """
        listener = bind(host, port)
        try:
            address = listener.getsockname()[0]  # a name could stand for several
            bound = None if grpc_port is None else await self._start_grpc(address, grpc_port)
            await self._start_http(listener)
        except BaseException:
            listener.close()
            await self.stop()
            raise
        return Addresses(
            http=f"http://{joined(*listener.getsockname()[:2])}",
            grpc=None if bound is None else joined(address, bound),
            loopback=is_loopback(listener),
        )

    async def stop(self, grace_s: int = LAST_S) -> None:
        """Close the ports, and the connections once their answers are sent, or after ``grace_s`` seconds."""
        if self._grpc is not None:
            await self._grpc.stop(grace_s)
        if self._http is not None and self._serving is not None:
            self._http.config.timeout_graceful_shutdown = grace_s
            self._http.should_exit = True
            await self._serving

    async def _start_http(self, listener: socket.socket) -> None:
        config = Config(
            self._app,
            http=guarded_protocol(self._limits),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # any client on this machine could then say that it is another
            timeout_keep_alive=round(self._limits.idle_s),
        )
        self._http = _HttpServer(config)
        self._serving = asyncio.create_task(self._http.serve([listener]))
        await self._http.up.wait()

    async def _start_grpc(self, host: str, port: int) -> int:
        check_port(port)
        grpc = require("grpc", "--grpc-port")
        largest = self._limits.body_bytes + _MESSAGE_OVERHEAD
        self._grpc = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),  # else two servers could share a port without noticing
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", largest),
                ("grpc.max_metadata_size", self._limits.head_bytes),
            ),
            maximum_concurrent_rpcs=self._limits.connections,
        )
        self._grpc.add_generic_rpc_handlers((GrpcService(self._service).handler(),))
        try:
            bound = self._grpc.add_insecure_port(joined(host, port))
        except RuntimeError as error:
            raise cannot_listen(host, port, "the port is in use or not allowed") from error
        if bound == 0:
            raise cannot_listen(host, port, "the port is in use or not allowed")
        await self._grpc.start()
        return int(bound)


class _HttpServer(Server):
    """uvicorn's server, which tells when it is up and leaves signals to its caller."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
