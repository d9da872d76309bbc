"""``ran-deploy serve``: engines behind HTTP and gRPC."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import CudaBackend, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note

if TYPE_CHECKING:
    from ran_deploy.serving.reports import Serving

EPILOG = "Example: ran-deploy serve --engine att92_int8.onnx --engine small=att56.onnx --port 8000"


def serve_command(
    engine: Annotated[
        list[str],
        typer.Option(
            "--engine",
            "--loadEngine",
            help="What to serve: a path, NAME=PATH or NAME@VERSION=PATH; give it several times for several models.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Where to listen; other machines reach 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="For HTTP; 0: a free one.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="For gRPC; 0: a free one.")] = 8001,
    grpc: Annotated[bool, typer.Option("--grpc/--no-grpc", help="Whether to serve gRPC.")] = True,
    max_batch: Annotated[int, typer.Option(help="Most images in one run.")] = 32,
    max_delay_ms: Annotated[float, typer.Option(help="How long a request waits for others to share its batch.")] = 2.0,
    queue: Annotated[int, typer.Option(help="Most images of a model that wait; more get status 429.")] = 1024,
    workers: Annotated[int, typer.Option(help="Worker processes of each model; 0: a thread of the server.")] = 1,
    threads: Threads = None,
    runtime: Runtime = "auto",
    trust: Trust = False,
    fallback: Fallback = False,
    cuda_backend: CudaBackend = "cuda-python",
    max_body_mb: Annotated[float, typer.Option(help="Most MiB of one request; more get status 413.")] = 32,
    max_pixels: Annotated[int, typer.Option(help="Most pixels of an image file.")] = 16_777_216,
    max_connections: Annotated[int, typer.Option(help="Most HTTP connections at once.")] = 512,
    request_seconds: Annotated[float, typer.Option(help="Longest that a request may take; then status 504.")] = 60,
    drain_seconds: Annotated[float, typer.Option(help="How long accepted requests may take after a signal.")] = 30,
    model_control: Annotated[
        bool | None,
        typer.Option(
            "--model-control/--no-model-control",
            help="Whether clients may load, reload and unload models; else only where the host is loopback.",
        ),
    ] = None,
    log_format: Annotated[Literal["text", "json"], typer.Option(help="How the log's lines look.")] = "text",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="debug: one line for each request.")
    ] = "info",
    as_json: JsonFlag = False,
) -> None:
    """Serve engines over HTTP and gRPC: Open Inference Protocol v2, image classification, metrics.

    Ctrl-C or SIGTERM stops it: what was accepted is answered first. A second signal ends it at once.
    With --json, one document with the addresses is printed when the models are ready.
    """
    from ran_deploy.serving.serve import serve

    def announce(serving: "Serving") -> None:
        for line in _lines(serving):
            note(line)
        if as_json:
            emit(_document(serving), "serve/v1", as_json=True, lines=())

    served = serve(
        engine,
        host=host,
        port=port,
        grpc_port=grpc_port if grpc else None,
        max_batch=max_batch,
        max_delay_ms=max_delay_ms,
        queue=queue,
        workers=workers,
        threads=threads,
        runtime=runtime,
        trust=trust,
        fallback=fallback,
        cuda_backend=cuda_backend,
        max_body_mb=max_body_mb,
        max_pixels=max_pixels,
        max_connections=max_connections,
        request_seconds=request_seconds,
        drain_seconds=drain_seconds,
        model_control=model_control,
        log_format=log_format,
        log_level=log_level,
        on_ready=announce,
    )
    if served.unanswered:
        note(f"{served.unanswered} accepted request(s) were not answered within {drain_seconds:g} s")
        raise typer.Exit(1)
    if served.signal == "SIGINT":
        raise typer.Abort
    note("stopped: everything that was accepted has been answered")


def _lines(serving: "Serving") -> list[str]:
    where = serving.addresses
    lines = []
    for model in serving.models:
        grpc = f"  grpc {where.grpc}" if where.grpc else ""
        runs = f"{model.info.runtime}, {model.info.precision}, {model.info.device}"
        address = f"{where.http}/v2/models/{model.name}/versions/{model.version}"
        lines.append(f"serving {model.name} version {model.version} ({runs}): {address}{grpc}")
    lines.append(f"to try images in a browser: {where.http}/")
    if not where.loopback:
        lines.append("warning: other machines can reach this server, and nothing here asks who they are.")
    return lines


def _document(serving: "Serving") -> dict[str, object]:
    return {
        "http": serving.addresses.http,
        "grpc": serving.addresses.grpc,
        "model_control": serving.control,
        "models": [
            {
                "name": model.name,
                "version": model.version,
                "engine": model.info.engine,
                "sha256": model.sha256,
                "runtime": model.info.runtime,
                "provider": model.info.provider,
                "precision": model.info.precision,
                "max_batch": model.max_batch,
            }
            for model in serving.models
        ],
    }
