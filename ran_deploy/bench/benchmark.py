"""``benchmark``: the latency and throughput of an engine at a named boundary, as a service would see them."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ran_deploy.bench.activity import activity_since, snapshot
from ran_deploy.bench.against_parent import AgainstParent, find_float_parent, measure_against_parent
from ran_deploy.bench.assemble import assemble
from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.options import DEFAULT_BATCHES, BenchOptions, Boundary, Scenario
from ran_deploy.bench.processes import measure_in_processes
from ran_deploy.bench.raw_files import write_csv, write_export_times
from ran_deploy.bench.remarks import remarks
from ran_deploy.bench.repeat import repeat_command
from ran_deploy.bench.report_html import write_html
from ran_deploy.bench.request import Measured, Request
from ran_deploy.bench.result import BenchResult
from ran_deploy.config import to_mapping
from ran_deploy.errors import RanDeployError, UnstableError
from ran_deploy.files import require_output
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.runtime.open import Runtime


def benchmark(
    engine: Path | str,
    *,
    scenario: Scenario = "sweep",
    boundary: Boundary = "engine",
    batches: Sequence[int] | None = None,
    warmup_ms: int = 200,
    duration_s: float = 3.0,
    max_duration_s: float | None = None,
    precision: float = 0.02,
    iterations: int = 10,
    percentiles: Sequence[float] = (90, 95, 99),
    average_runs: int | None = None,
    qps: float | None = None,
    slo_ms: float | None = None,
    find_max_qps: bool = False,
    trials: int = 8,
    workers: int = 1,
    seed: int = 20,
    processes: int = 1,
    against_parent: bool = True,
    images: Path | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    device: str = "auto",
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
    fail_on_unstable: bool = False,
    csv: Path | None = None,
    export_times: Path | None = None,
    html: Path | None = None,
) -> BenchResult:
    """Measure an engine's latency and throughput.

    Args:
        engine: Any engine.
        scenario: "sweep" (batch sizes one by one), or MLPerf's "single-stream", "multi-stream", "server", "offline".
        boundary: "engine" (one run, transfers included), "end-to-end" (from encoded images to classes) or "both".
        batches: Batch sizes of "sweep" and "offline", each measured on its own; None: the scenario's.
        warmup_ms: Least time of untimed runs before each measurement, in milliseconds.
        duration_s: Least time of each measurement, in seconds.
        max_duration_s: Most time of each measurement, in seconds; None: three times the least.
        precision: Stop when the 95% interval of the median is within this share of it.
        iterations: Least number of runs of each measurement.
        percentiles: What to report beside the median, each only if there are enough runs.
        average_runs: Report averages of so many runs in a row, too.
        qps: Arrivals per second of the server scenario.
        slo_ms: What 99% of the queries may need at most, in milliseconds, for ``find_max_qps``.
        find_max_qps: Search the highest rate of arrivals at which ``slo_ms`` holds.
        trials: Rates that the search tries.
        workers: Threads that serve the queries of the server scenario.
        seed: Seed of the arrivals.
        processes: Fresh processes to measure in, one after another.
        against_parent: Compare an FP16 or INT8 ``.onnx`` engine with its float32 parent, if that lies beside it.
        images: A folder of real images to feed; None: seeded random pixels.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs it, as for :func:`ran_deploy.runtime.open.open_engine`.
        device: "auto" (a plan on the GPU, all else on the CPU), "cpu" or "cuda".
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".
        fail_on_unstable: Raise if the latencies of a measurement drift, or a server does not keep up.
        csv: Write each query's times into this file.
        export_times: Write them with the keys of trtexec's ``--exportTimes``.
        html: Write a report that works offline.

    Raises:
        UsageError: The engine or the images are missing, an option is out of range or not for the scenario, the
            engine's batch is fixed to another size, or a file cannot be written.
        IntegrityError: The engine or an image is damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        UnstableError: ``fail_on_unstable``, and a measurement is unstable; ``details`` holds the result.
    """
    options = BenchOptions(
        scenario=scenario,
        boundary=boundary,
        batches=tuple(DEFAULT_BATCHES.get(scenario, ()) if batches is None else batches),
        warmup_ms=warmup_ms,
        duration_s=duration_s,
        max_duration_s=max_duration_s,
        precision=precision,
        iterations=iterations,
        percentiles=tuple(percentiles),
        average_runs=average_runs,
        qps=qps,
        slo_ms=slo_ms,
        find_max_qps=find_max_qps,
        trials=trials,
        workers=workers,
        seed=seed,
        processes=processes,
    )
    for path, suffix in ((csv, ".csv"), (export_times, ".json"), (html, ".html")):
        if path is not None:
            require_output(Path(path), suffix)
    request = Request(
        engine=str(engine),
        options=options,
        images=None if images is None else str(images),
        threads=threads,
        trust=trust,
        fallback=fallback,
        runtime=runtime,
        device=device,
        cuda_backend=cuda_backend,
    )
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    environment, before = read_environment(), snapshot()
    measured = measure_in_processes(request)
    activity = activity_since(before)
    manifest = read_manifest(Path(measured[0].session.engine))
    parent, notes = _against_parent(request, measured[0], manifest) if against_parent else (None, [])
    result = assemble(request, measured, manifest=manifest, environment=environment, activity=activity, created=created)
    result = replace(
        result, against_parent=parent, notes=(*notes, *remarks(result)), command=repeat_command(request, against_parent)
    )
    if csv is not None:
        write_csv(measured, csv)
    if export_times is not None:
        write_export_times(measured, export_times)
    if html is not None:
        write_html(result, measured, html)
    _fail_if_unstable(result, fail_on_unstable)
    return result


def _against_parent(
    request: Request, measured: Measured, manifest: Manifest | None
) -> tuple[AgainstParent | None, list[str]]:
    path = Path(measured.session.engine)  # what really ran, after a fallback too
    parent, note = find_float_parent(path, manifest)
    if parent is None or manifest is None:
        return None, [note] if note else []
    try:
        found = measure_against_parent(request, path, parent, manifest, request.options.batches)
    except RanDeployError as error:
        return None, [f"The float32 parent {parent} was not measured: {error.message}"]
    return found, [entry.text for entry in found.batches]


def _fail_if_unstable(result: BenchResult, wanted: bool) -> None:
    unstable = sorted({entry.batch for entry in result.results if not entry.stable})
    if wanted and unstable:
        raise UnstableError(
            f"The latencies of {result.engine} at batch {', '.join(map(str, unstable))} are unstable.",
            fix="Close other programs, or measure longer with --duration.",
            details=to_mapping(result),
        )
