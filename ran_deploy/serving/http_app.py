"""The HTTP application: Open Inference Protocol v2, classification of image files, metrics, and the page for people."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException  # noqa: TID253 - this file is part of the HTTP server
from starlette.requests import ClientDisconnect, Request  # noqa: TID253
from starlette.responses import JSONResponse, Response  # noqa: TID253
from starlette.routing import BaseRoute, Route, Router  # noqa: TID253

from ran_deploy.errors import UsageError
from ran_deploy.serving.documents import (
    config_document,
    described_document,
    index_document,
    server_document,
)
from ran_deploy.serving.http_front import App, Front, Scope
from ran_deploy.serving.http_infer import HEADER_LENGTH, parse_call, parse_json, render
from ran_deploy.serving.http_limits import HttpLimits, Receive
from ran_deploy.serving.refusals import EncodingError, ForbiddenError
from ran_deploy.serving.service import Service

T = TypeVar("T")

_TOP = 5


def make_app(service: Service, limits: HttpLimits, pages: Sequence[BaseRoute] = ()) -> App:
    """Return the ASGI application.

    Args:
        service: The host and what surrounds it.
        limits: For clients.
        pages: More routes, such as the page for people.
    """
    endpoints = _Endpoints(service)
    models = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    routes: list[BaseRoute] = [  # in the order in which they are tried
        *(Route(f"{model}/infer", endpoints.infer, methods=["POST"]) for model in models),
        *(Route(f"{model}/classify", endpoints.classify, methods=["POST"]) for model in models),
        Route("/v2", endpoints.server),
        Route("/v2/health/live", endpoints.live),
        Route("/v2/health/ready", endpoints.ready),
        Route("/v2/models/stats", endpoints.statistics),
        Route("/v2/repository/index", endpoints.index, methods=["POST"]),
        Route("/v2/repository/models/{model}/load", endpoints.load, methods=["POST"]),
        Route("/v2/repository/models/{model}/unload", endpoints.unload, methods=["POST"]),
        Route("/metrics", endpoints.metrics),
    ]
    for model in models:
        routes += [
            Route(model, endpoints.model),
            Route(f"{model}/ready", endpoints.model_ready),
            Route(f"{model}/config", endpoints.config),
            Route(f"{model}/stats", endpoints.statistics),
        ]
    router = Router([*routes, *pages], redirect_slashes=False, default=_nothing)
    return Front(router, service, limits)


async def _nothing(scope: Scope, _receive: Receive, _send: Any) -> None:
    raise HTTPException(404, f"Nothing is at {scope['path']!r:.200}.")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` does, unless the client goes away first; then it is cancelled.

    Raises:
        ClientDisconnect: The client went away.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Endpoints:
    """One method for each address."""

    def __init__(self, service: Service) -> None:
        self._service, self._host = service, service.host

    async def server(self, _: Request) -> Response:
        return JSONResponse(server_document())

    async def live(self, _: Request) -> Response:
        live = self._host.live()
        return JSONResponse({"live": live}, 200 if live else 503)

    async def ready(self, _: Request) -> Response:
        ready = self._service.ready()
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model(self, request: Request) -> Response:
        return JSONResponse(described_document(self._host.metadata(*_named(request))))

    async def model_ready(self, request: Request) -> Response:
        name, version = _named(request)
        ready = self._host.ready(name, version) and not self._service.gate.closed
        return JSONResponse({"name": name, "ready": ready}, 200 if ready else 503)

    async def config(self, request: Request) -> Response:
        model = self._host.metadata(*_named(request))
        return JSONResponse(config_document(model, self._host.options.max_delay_s))

    async def statistics(self, request: Request) -> Response:
        name = request.path_params.get("model")
        return JSONResponse(self._service.statistics(name, request.path_params.get("version")))

    async def infer(self, request: Request) -> Response:
        with self._service.tracked("http") as track:
            model = track.of(self._host.metadata(*_named(request)))
            body = await read_body(request)
            begun = time.perf_counter()
            call = parse_call(body, request.headers.get(HEADER_LENGTH), model.contract)
            self._service.decoded(model, time.perf_counter() - begun)
            outputs = await unless_gone(request, self._service.infer(model, call))
            content, length = render(model.name, model.version, call, outputs)
        if length is None:
            return Response(content, media_type="application/json")
        return Response(content, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")

    async def classify(self, request: Request) -> Response:
        with self._service.tracked("http") as track:
            model = track.of(self._host.metadata(*_named(request)))
            top = _top(request.query_params.get("top", str(_TOP)))
            image = await read_body(request)
            found = await unless_gone(request, self._service.classify(model, image, top))
        times_s = {"decode": found.decode_s, "queue": found.queue_s, "compute": found.infer_s - found.queue_s}
        return JSONResponse(
            {
                "schema": "ran-deploy.classify/v1",
                "model_name": found.name,
                "model_version": found.version,
                "sha256": found.sha256,
                "top": [
                    {"label": guess.label, "index": guess.index, "probability": guess.probability}
                    for guess in found.predictions[0]
                ],
                "times_ms": {name: round(1000 * seconds, 3) for name, seconds in times_s.items()},
            }
        )

    async def index(self, request: Request) -> Response:
        body = await read_body(request)
        asked = parse_json(body) if body else {}
        return JSONResponse(index_document(self._host.models(), ready=asked.get("ready") is True))

    async def load(self, request: Request) -> Response:
        _check_origin(request)
        body = await read_body(request)
        given = (parse_json(body) if body else {}).get("parameters") or {}
        if given:
            raise UsageError(
                "A model is loaded from the file that the server was started with; parameters are not taken.",
                fix="Replace the file and its manifest, then load without parameters.",
            )
        await self._service.load(request.path_params["model"])
        return JSONResponse({})

    async def unload(self, request: Request) -> Response:
        _check_origin(request)
        await read_body(request)
        await self._service.unload(request.path_params["model"])
        return JSONResponse({})

    async def metrics(self, _: Request) -> Response:
        metrics = self._service.metrics
        return Response(metrics.text(), headers={"content-type": metrics.content_type})


def _named(request: Request) -> tuple[str, str | None]:
    return request.path_params["model"], request.path_params.get("version")


async def read_body(request: Request) -> bytes:
    """Return a request's whole body, within the server's limits.

    Raises:
        EncodingError: It is compressed.
        ServingError: It is too large, or too slow; see :class:`~ran_deploy.serving.http_limits.GuardedBody`.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise EncodingError(f"The body is encoded as {encoding!r:.40}.", fix="Send it uncompressed.")
    return await request.body()


def _top(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise UsageError(f"top is {text!r:.40}; expected a number of classes, such as {_TOP}.")
    return int(text)


def _check_origin(request: Request) -> None:
    """Refuse what a browser sends for a page of another site: it may reach a server that only this machine can."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForbiddenError("Pages of other sites cannot load or unload models.")
