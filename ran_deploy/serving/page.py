"""The page at ``/`` for people: drop an image, see the likeliest classes, the attention masks and the latency.

Everything it needs comes from this server, so that it works offline; its Content-Security-Policy lets the browser
load nothing else.
"""

import time
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException  # noqa: TID253 - this file is part of the HTTP server
from starlette.requests import Request  # noqa: TID253
from starlette.responses import JSONResponse, Response  # noqa: TID253
from starlette.routing import BaseRoute, Route  # noqa: TID253

from ran_deploy.config import to_mapping
from ran_deploy.resources import models_folder
from ran_deploy.serving.http_app import read_body, unless_gone
from ran_deploy.serving.masks import HOW_TO, MaskReader, has_masks
from ran_deploy.serving.page_facts import models_document
from ran_deploy.serving.service import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_TOP = 5


def page_routes(service: Service) -> list[BaseRoute]:
    """Return the routes of the page: itself, its parts, sample images, facts on the models, and ``explain``.

    ``POST /page/models/M[/versions/V]/explain`` takes an image file as its body and answers with the likeliest
    classes, times and, unless the query says ``masks=0``, the attention masks as PNG.

    Args:
        service: Answers the requests; the page's go through the same queue as everyone's, and are counted.
    """
    page = _Page(service)
    explain = ("/page/models/{model}/explain", "/page/models/{model}/versions/{version}/explain")
    return [
        Route("/", page.index),
        Route("/page/static/{name}", page.static),
        Route("/page/samples/{name}", page.sample),
        Route("/page/models", page.models),
        *(Route(address, page.explain, methods=["POST"]) for address in explain),
    ]


class _Page:
    """One method for each address. The files are read once, so that a request names no path on the disk."""

    def __init__(self, service: Service) -> None:
        self._service, self._host = service, service.host
        self._masks = MaskReader()
        self._static = {file.name: file.read_bytes() for file in _STATIC.iterdir() if file.suffix in _TYPES}
        samples = sorted((models_folder() / "samples").glob("*.jpg"))
        self._samples = {file.stem: file.read_bytes() for file in samples}

    async def index(self, _: Request) -> Response:
        return _file(self._static["index.html"], ".html")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        return _file(_found(self._static, name), Path(name).suffix)

    async def sample(self, request: Request) -> Response:
        return _file(_found(self._samples, request.path_params["name"]), ".jpg")

    async def models(self, _: Request) -> Response:
        document = {"schema": "ran-deploy.page-models/v1", "models": models_document(self._host)}
        return JSONResponse({**document, "samples": list(self._samples)}, headers=_HEADERS)

    async def explain(self, request: Request) -> Response:
        begun = time.perf_counter()
        with self._service.tracked("http") as track:
            params = request.path_params
            model = track.of(self._host.metadata(params["model"], params.get("version")))
            image = await read_body(request)
            found = await unless_gone(request, self._service.classify(model, image, _TOP))
        total_s = time.perf_counter() - begun
        wanted = request.query_params.get("masks") != "0"
        model = self._host.metadata(found.name, found.version)  # again: a reload may have been quicker
        masks = await unless_gone(request, self._masks.read(model, image)) if wanted else ()
        times_s = {"decode": found.decode_s, "queue": found.queue_s, "compute": found.infer_s - found.queue_s}
        return JSONResponse(
            {
                "schema": "ran-deploy.page-explain/v1",
                "model_name": found.name,
                "model_version": found.version,
                "sha256": found.sha256,
                "top": to_mapping(found.predictions[0]),
                "times_ms": {key: round(1000 * value, 3) for key, value in {**times_s, "total": total_s}.items()},
                "masks": to_mapping(masks),
                "masks_note": "" if has_masks(model) else HOW_TO,
            },
            headers=_HEADERS,
        )


def _file(content: bytes, suffix: str) -> Response:
    return Response(content, headers=_HEADERS, media_type=_TYPES[suffix])


def _found(files: dict[str, Any], name: str) -> bytes:
    if name not in files:
        raise HTTPException(404, f"The page has no part {name!r:.80}.")
    content: bytes = files[name]
    return content
