"""``ran-deploy bench``: the latency and throughput of an engine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ran_deploy.cli.engine_options import Engine, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note, table
from ran_deploy.errors import UsageError

if TYPE_CHECKING:
    from ran_deploy.bench.result import BenchResult

EPILOG = "Example: ran-deploy bench --engine att92.onnx --batch 1,64"


def bench_command(
    engine: Engine,
    batch: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "1,8,64",
    warm_up: Annotated[
        int, typer.Option("--warm-up", "--warmUp", help="Least untimed time before each batch size, in ms.")
    ] = 200,
    duration: Annotated[float, typer.Option(help="Least time to measure each batch size, in seconds.")] = 3.0,
    iterations: Annotated[int, typer.Option(help="Least number of runs to measure at each batch size.")] = 10,
    images: Annotated[Path | None, typer.Option(help="Feed real images from this folder; else random pixels.")] = None,
    fail_on_unstable: Annotated[
        bool, typer.Option("--fail-on-unstable", help="Exit with code 7 if latencies drift.")
    ] = False,
    threads: Threads = None,
    trust: Trust = False,
    fallback: Fallback = False,
    runtime: Runtime = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure latency percentiles and throughput; at the host, transfers included, decoding excluded."""
    from ran_deploy.bench.benchmark import benchmark

    result = benchmark(
        engine,
        batches=_sizes(batch),
        warmup_ms=warm_up,
        duration_s=duration,
        iterations=iterations,
        images=images,
        threads=threads,
        trust=trust,
        fallback=fallback,
        runtime=runtime,
        fail_on_unstable=fail_on_unstable,
    )
    emit(result, "bench/v1", as_json=as_json, lines=_report(result))
    unstable = [str(entry.batch) for entry in result.results if not entry.stable]
    if unstable:
        note(f"warning: unstable at batch {', '.join(unstable)}: too few runs, or latencies that drift; see --duration")
    busy = result.environment.load_average_1min
    if busy is not None and busy > result.environment.cpus / 2:
        note(
            f"warning: the machine was busy before the measurement (load {busy:.1f} on {result.environment.cpus} CPUs)"
        )


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--batch is {text!r}; expected whole numbers separated by commas, as in 1,8,64.") from error


def _report(result: "BenchResult") -> list[str]:
    from ran_deploy.bench.statistics import MINIMUM_SAMPLES

    def cell(value: float | None, percent: int) -> str:
        return f"n<{MINIMUM_SAMPLES[percent]}" if value is None else _ms(value)

    rows = [
        (
            str(entry.batch),
            str(entry.samples),
            _ms(entry.mean_ms),
            _ms(entry.p50_ms),
            cell(entry.p90_ms, 90),
            cell(entry.p95_ms, 95),
            cell(entry.p99_ms, 99),
            _ms(entry.max_ms),
            f"{100 * entry.cv:.1f}%",
            f"{entry.images_per_s:,.0f}" if entry.images_per_s >= 100 else f"{entry.images_per_s:.1f}",
        )
        for entry in result.results
    ]
    session, machine = result.session, result.environment
    threads = f"{session.threads} thread{'s' if session.threads > 1 else ''}"
    lines = [
        f"{result.engine}  {session.runtime}, {session.provider}, {session.precision}, {threads}",
        f"machine   {machine.cpu}, {machine.cpus} CPUs",
        f"boundary  {result.boundary}",
        f"inputs    {result.inputs}",
        f"load      {1000 * result.load_s:.0f} ms, first run {result.first_inference_ms:.1f} ms",
        "",
        *table(("batch", "runs", "mean ms", "p50", "p90", "p95", "p99", "max", "cv", "images/s"), rows),
    ]
    if any("n<" in text for row in rows for text in row):
        lines.append("n<N: fewer runs than the N that this percentile needs; raise --duration or --iterations")
    return lines


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.2f}"
