"""The Open Inference Protocol v2 over gRPC, with the messages that ship in tritonclient.

Only what is implemented is registered; gRPC itself answers UNIMPLEMENTED to the rest (shared memory, tracing).
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.optional import require
from ran_deploy.serving.documents import config_document, index_document, model_document, server_document
from ran_deploy.serving.grpc_infer import fill_response, parse_call
from ran_deploy.serving.refusals import grpc_code, told
from ran_deploy.serving.service import Service

_LOG = logging.getLogger("ran_deploy.serving")
_NAME = "inference.GRPCInferenceService"
Handler = Callable[[Any, Any], Awaitable[Any]]


class GrpcService:
    """The remote procedures; each takes a message and gRPC's context, and returns a message.

    Raises:
        MissingError: grpcio or tritonclient is not installed.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._host = service, service.host
        self._grpc = require("grpc", "gRPC")
        require("tritonclient.grpc", "gRPC")
        from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]

        self._messages: Any = service_pb2
        self._unreadable: type[Exception] = DecodeError
        self._parse = ParseDict

    def handler(self) -> Any:
        """Return the handler to add to a gRPC server."""
        unary = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server,
            "ModelMetadata": self._model,
            "ModelConfig": self._config,
            "ModelStatistics": self._statistics,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        methods = {
            name: self._grpc.unary_unary_rpc_method_handler(
                self._guarded(name, work),
                response_serializer=getattr(self._messages, f"{name}Response").SerializeToString,
            )
            for name, work in unary.items()
        }
        methods["ModelStreamInfer"] = self._grpc.stream_stream_rpc_method_handler(
            self._stream,
            response_serializer=self._messages.ModelStreamInferResponse.SerializeToString,
        )
        return self._grpc.method_handlers_generic_handler(_NAME, methods)

    def _guarded(self, name: str, work: Handler) -> Handler:
        async def call(data: bytes, context: Any) -> Any:
            begun, code = time.perf_counter(), "OK"
            try:
                return await work(self._read(f"{name}Request", data), context)
            except Exception as error:
                code = grpc_code(error)
                if code == "INTERNAL":
                    _LOG.exception("failed inside: gRPC %s", name)
                failure = error
            finally:
                _log(name, code, time.perf_counter() - begun, context)
            return await context.abort(getattr(self._grpc.StatusCode, code), told(failure))

        return call

    def _read(self, name: str, data: bytes) -> Any:
        """Return a message; gRPC would call bytes that are none an internal error, and log a traceback of each.

        Raises:
            UsageError: The bytes are no such message.
        """
        try:
            return getattr(self._messages, name).FromString(data)
        except self._unreadable as error:
            raise UsageError(f"The {len(data)} bytes of the call are no {name}.") from error

    async def _live(self, _request: Any, _context: Any) -> Any:
        return self._messages.ServerLiveResponse(live=self._host.live())

    async def _ready(self, _request: Any, _context: Any) -> Any:
        return self._messages.ServerReadyResponse(ready=self._service.ready())

    async def _model_ready(self, request: Any, _context: Any) -> Any:
        ready = self._host.ready(request.name, request.version or None) and not self._service.gate.closed
        return self._messages.ModelReadyResponse(ready=ready)

    async def _server(self, _request: Any, _context: Any) -> Any:
        return self._parse(server_document(), self._messages.ServerMetadataResponse())

    async def _model(self, request: Any, _context: Any) -> Any:
        model = self._host.metadata(request.name, request.version or None)
        return self._parse(model_document(model), self._messages.ModelMetadataResponse())

    async def _config(self, request: Any, _context: Any) -> Any:
        model = self._host.metadata(request.name, request.version or None)
        document = config_document(model, self._host.options.max_delay_s)
        return self._parse({"config": document}, self._messages.ModelConfigResponse())

    async def _statistics(self, request: Any, _context: Any) -> Any:
        document = self._service.statistics(request.name or None, request.version or None)
        return self._parse(document, self._messages.ModelStatisticsResponse(), ignore_unknown_fields=True)

    async def _index(self, request: Any, _context: Any) -> Any:
        models = index_document(self._host.models(), ready=request.ready)
        return self._parse({"models": models}, self._messages.RepositoryIndexResponse())

    async def _load(self, request: Any, _context: Any) -> Any:
        if request.parameters:
            raise UsageError(
                "A model is loaded from the file that the server was started with; parameters are not taken.",
                fix="Replace the file and its manifest, then load without parameters.",
            )
        with self._service.gate.admitted():
            await self._service.load(request.model_name)
        return self._messages.RepositoryModelLoadResponse()

    async def _unload(self, request: Any, _context: Any) -> Any:
        with self._service.gate.admitted():
            await self._service.unload(request.model_name)
        return self._messages.RepositoryModelUnloadResponse()

    async def _infer(self, request: Any, context: Any) -> Any:
        with self._admitted(), self._service.tracked("grpc") as track:
            model = track.of(self._host.metadata(request.model_name, request.model_version or None))
            begun = time.perf_counter()
            call = parse_call(request, model.contract)
            self._service.decoded(model, time.perf_counter() - begun)
            outputs = await self._service.infer(model, call, at_most_s=context.time_remaining())
            return fill_response(self._messages.ModelInferResponse(), model.name, model.version, call, outputs)

    async def _stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        """Answer a stream's requests in their order; one that fails does not end the stream."""
        async for data in requests:
            name = ""
            try:
                request = self._read("ModelInferRequest", data)
                name = request.id
                yield self._messages.ModelStreamInferResponse(infer_response=await self._infer(request, context))
            except Exception as error:
                if grpc_code(error) == "INTERNAL":
                    _LOG.exception("failed inside: gRPC ModelStreamInfer")
                response = self._messages.ModelStreamInferResponse(error_message=told(error))
                response.infer_response.id = name
                yield response

    def _admitted(self) -> contextlib.AbstractContextManager[None]:
        if self._service.gate.closed:
            self._service.refused("grpc")
        return self._service.gate.admitted()


def _log(name: str, code: str, seconds: float, context: Any) -> None:
    if _LOG.isEnabledFor(logging.DEBUG):
        fields = {
            "protocol": "grpc",
            "method": name,
            "status": code,
            "ms": round(1000 * seconds, 3),
            "client": context.peer(),
        }
        _LOG.debug("request", extra={"fields": fields})
