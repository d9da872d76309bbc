"""``serve``: engines behind HTTP and gRPC until a signal ends it."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ran_deploy.errors import UsageError
from ran_deploy.optional import require
from ran_deploy.runtime.open import Runtime
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.logs import LogFormat, LogLevel, start_log, stop_log
from ran_deploy.serving.reports import Served, Serving
from ran_deploy.serving.spec import HostOptions, ModelSpec

MIB = 1024 * 1024
_MOST_BODY_MB = 65_536
HANG_FACTOR = 2
"""A worker that computes one batch for so many times the longest time of a request is taken for hung; whoever asked has
given up long before."""


def serve(
    engines: Sequence[ModelSpec | Path | str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    grpc_port: int | None = 8001,
    max_batch: int = 32,
    max_delay_ms: float = 2.0,
    queue: int = 1024,
    workers: int = 1,
    threads: int | None = None,
    runtime: Runtime = "auto",
    trust: bool = False,
    fallback: bool = False,
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
    max_body_mb: float = 32,
    max_pixels: int = 16 * MIB,
    max_connections: int = 512,
    request_seconds: float = 60,
    drain_seconds: float = 30,
    model_control: bool | None = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    on_ready: Callable[[Serving], None] = lambda _: None,
) -> Served:
    """Serve engines over the Open Inference Protocol v2 until SIGTERM or Ctrl-C; call it in the main thread.

    The first signal turns readiness off and refuses new requests; what was accepted is answered before this returns.
    A second signal ends the process at once.

    Args:
        engines: A path, "NAME=PATH" or "NAME@VERSION=PATH" for each, or a :class:`ModelSpec`.
        host: Where to listen; anything but loopback is reachable by others, whom nothing here identifies.
        port: For HTTP; 0: a free one.
        grpc_port: For gRPC; 0: a free one; None: no gRPC.
        max_batch: Most images in one run.
        max_delay_ms: How long the first request of a batch waits for others; not at all if none came so long before it.
        queue: Most images of one model that wait; more are refused.
        workers: Worker processes of each model; 0: a thread of this process computes.
        threads: CPU threads of each worker; None: the CPUs divided by the workers.
        runtime: What runs the engines; see :func:`~ran_deploy.runtime.open.open_engine`.
        trust: Open engines without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        cuda_backend: What drives the GPU for a plan.
        max_body_mb: Most MiB of one request's body.
        max_pixels: Most pixels of an encoded image.
        max_connections: Most HTTP connections at once.
        request_seconds: Longest that one request may take; a worker process that computes one batch for twice as long
            is killed and replaced.
        drain_seconds: How long to wait for what was accepted after a signal.
        model_control: Whether clients may load and unload models; None: if only this machine reaches the server.
        log_format: How log lines look.
        log_level: Least level that is logged; "debug" has one line for each request.
        on_ready: Called once all models take requests.

    Raises:
        UsageError: An option is out of range, a port is taken, or an engine cannot be used.
        MissingError: A package is missing; see the extra "serve".
        RanDeployError: An engine cannot be opened, as :func:`~ran_deploy.runtime.open.open_engine` says.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "serve was called in a thread, which gets no signals and could not be stopped.",
            fix="Call it in the main thread, or use ran_deploy.serving.server.Listener on an event loop of yours.",
        )
    specs = [
        engine
        if isinstance(engine, ModelSpec)
        else ModelSpec.parse(
            str(engine), runtime=runtime, threads=threads, trust=trust, fallback=fallback, cuda_backend=cuda_backend
        )
        for engine in engines
    ]
    for name, seconds in (("--request-seconds", request_seconds), ("--drain-seconds", drain_seconds)):
        if not 0 < seconds < 86_400:
            raise UsageError(f"{name} is {seconds:g}; expected more than 0 and less than a day.")
    if not 0 < max_body_mb <= _MOST_BODY_MB:
        raise UsageError(f"--max-body-mb is {max_body_mb:g}; expected more than 0 and at most {_MOST_BODY_MB:,}.")
    options = HostOptions(
        workers=workers,
        max_batch=max_batch,
        max_delay_s=max_delay_ms / 1000,
        queue=queue,
        max_pixels=max_pixels,
        hang_s=HANG_FACTOR * request_seconds,
    )
    body_bytes = int(max_body_mb * MIB)
    limits = HttpLimits(
        body_bytes=body_bytes, held_bytes=max(HttpLimits().held_bytes, 4 * body_bytes), connections=max_connections
    )
    for module in ("starlette", "uvicorn", "prometheus_client", *(() if grpc_port is None else ("grpc",))):
        require(module, "ran-deploy serve")
    from ran_deploy.serving.running import run_server

    async def run() -> Served:
        return await run_server(
            specs,
            options,
            limits,
            host=host,
            port=port,
            grpc_port=grpc_port,
            control=model_control,
            request_s=request_seconds,
            drain_s=drain_seconds,
            on_ready=on_ready,
        )

    log = start_log(sys.stderr, log_format, log_level)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            return runner.run(run())
    finally:
        stop_log(log)


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest event loop there is: uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make
