"""``benchmark``: the latency and throughput of an engine at its boundary, as a service would see them."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ran_deploy.bench.environment import Environment, peak_rss_bytes, read_environment
from ran_deploy.bench.inputs import Buffers, make_buffers, make_pool
from ran_deploy.bench.loop import NS_PER_MS, timed_loop, without_gc
from ran_deploy.bench.result import BatchResult, BenchOptions, BenchResult
from ran_deploy.bench.statistics import PERCENTILE_RULE, summarize
from ran_deploy.config import to_mapping
from ran_deploy.errors import UnstableError
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session


def benchmark(
    engine: Path | str,
    *,
    batches: tuple[int, ...] = (1, 8, 64),
    warmup_ms: int = 200,
    duration_s: float = 3.0,
    iterations: int = 10,
    images: Path | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    fail_on_unstable: bool = False,
) -> BenchResult:
    """Measure an engine's latency and throughput.

    Args:
        engine: Any engine.
        batches: Batch sizes, each measured on its own.
        warmup_ms: Least time of untimed runs before each batch size, in milliseconds.
        duration_s: Least time to measure each batch size, in seconds.
        iterations: Least number of runs to measure at each batch size.
        images: A folder of real images to feed; None: seeded random pixels.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs an ``.onnx`` file: "auto" (ONNX Runtime), "onnxruntime", "openvino" or "openvino-bf16".
        fail_on_unstable: Raise if the latencies of a batch size drift.

    Raises:
        UsageError: The engine or the images are missing, an option is out of range, or the engine's batch is fixed
            to another size.
        IntegrityError: The engine or an image is damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        UnstableError: ``fail_on_unstable``, and a batch size is unstable; ``details`` holds the result.
    """
    options = BenchOptions(batches=batches, warmup_ms=warmup_ms, duration_s=duration_s, iterations=iterations)
    environment = read_environment()
    with open_engine(engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime) as session:
        result = _measure_all(session, options, images, environment)
    unstable = [entry.batch for entry in result.results if not entry.stable]
    if fail_on_unstable and unstable:
        raise UnstableError(
            f"The latencies of {engine} at batch {', '.join(map(str, unstable))} are unstable.",
            fix="Close other programs, or measure longer with --duration.",
            details=to_mapping(result),
        )
    return result


def _measure_all(session: Session, options: BenchOptions, images: Path | None, environment: Environment) -> BenchResult:
    contract = session.contract
    pool, fed = make_pool(contract, options.batches, images)
    results: list[BatchResult] = []
    first_ms = 0.0
    with Progress("bench", len(options.batches), "batch sizes") as progress:
        for batch in options.batches:
            buffers = make_buffers(contract, pool, batch)
            if not results:
                first_ms = _run_once(session, buffers[0]) / NS_PER_MS
            results.append(_measure(session, buffers, batch, options))
            progress.advance(1)
    return BenchResult(
        engine=session.info.engine,
        session=session.info,
        boundary=f"host: one synchronous run() call, {contract.input.dtype} batch in, float32 logits out",
        inputs=f"{fed}, in rotating batches",
        percentile_rule=PERCENTILE_RULE,
        load_s=session.info.load_s,
        first_inference_ms=first_ms,
        results=tuple(results),
        peak_rss_bytes=peak_rss_bytes(),
        options=options,
        environment=environment,
    )


def _run_once(session: Session, images: npt.NDArray[Any]) -> int:
    started_ns = time.perf_counter_ns()
    session.run(images)
    return time.perf_counter_ns() - started_ns


def _measure(session: Session, buffers: Buffers, batch: int, options: BenchOptions) -> BatchResult:
    timed_loop(session, buffers, runs=1, duration_ns=options.warmup_ms * NS_PER_MS)
    with without_gc():
        latencies_ns, wall_ns = timed_loop(
            session, buffers, runs=options.iterations, duration_ns=round(options.duration_s * 1000 * NS_PER_MS)
        )
    summary = summarize([latency / NS_PER_MS for latency in latencies_ns])
    return BatchResult(
        batch=batch, images_per_s=batch * summary.samples / (wall_ns / 1000 / NS_PER_MS), **asdict(summary)
    )
