"""``ran-deploy bench``: the latency and throughput of an engine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import Engine, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.number_list import number_list
from ran_deploy.cli.output import JsonFlag, emit, note, table

if TYPE_CHECKING:
    from ran_deploy.bench.result import BatchResult, BenchResult

EPILOG = """Examples:

ran-deploy bench --engine att92.onnx --batch 1,64

ran-deploy bench --engine att92.onnx --scenario server --find-max-qps --slo-ms 50 --html report.html

ran-deploy bench --engine att92.onnx --boundary both --images photos/ --csv samples.csv"""
_SERVER, _FILES = "Server scenario", "Files to write"


def bench_command(
    engine: Engine,
    scenario: Annotated[
        Literal["sweep", "single-stream", "multi-stream", "server", "offline"],
        typer.Option(help="sweep: batch sizes one by one; the others as in MLPerf."),
    ] = "sweep",
    boundary: Annotated[
        Literal["engine", "end-to-end", "both"],
        typer.Option(help="engine: one run, transfers included; end-to-end: from encoded images to classes."),
    ] = "engine",
    batch: Annotated[
        str | None, typer.Option(help="Batch sizes of sweep and offline.", show_default="1,8,64; offline 64")
    ] = None,
    warm_up: Annotated[
        int, typer.Option("--warm-up", "--warmUp", help="Least untimed time before each measurement, in ms.")
    ] = 200,
    duration: Annotated[float, typer.Option(help="Least time of each measurement, in seconds.")] = 3.0,
    max_duration: Annotated[
        float | None, typer.Option(help="Most time of each measurement.", show_default="three times the least")
    ] = None,
    precision: Annotated[
        float, typer.Option(help="Stop when the median's 95% interval is within this share of it.")
    ] = 0.02,
    iterations: Annotated[int, typer.Option(help="Least number of runs of each measurement.")] = 10,
    percentile: Annotated[str, typer.Option(help="Percentiles to report, if there are enough runs.")] = "90,95,99",
    average_runs: Annotated[
        int | None, typer.Option("--avg-runs", "--avgRuns", help="Report averages of so many runs in a row, too.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Fresh processes to measure in, one after another.")] = 1,
    images: Annotated[Path | None, typer.Option(help="Feed real images from this folder; else random pixels.")] = None,
    qps: Annotated[
        float | None, typer.Option(help="Arrivals per second, at random (Poisson).", rich_help_panel=_SERVER)
    ] = None,
    find_max_qps: Annotated[
        bool, typer.Option("--find-max-qps", help="Search the highest rate that holds.", rich_help_panel=_SERVER)
    ] = False,
    slo_ms: Annotated[
        float | None, typer.Option(help="What 99% of the queries may need at most, in ms.", rich_help_panel=_SERVER)
    ] = None,
    trials: Annotated[int, typer.Option(help="Rates that the search tries.", rich_help_panel=_SERVER)] = 8,
    workers: Annotated[int, typer.Option(help="Threads that serve the queries.", rich_help_panel=_SERVER)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the arrivals.", rich_help_panel=_SERVER)] = 20,
    html: Annotated[Path | None, typer.Option(help="A report that works offline.", rich_help_panel=_FILES)] = None,
    csv: Annotated[Path | None, typer.Option(help="The raw samples.", rich_help_panel=_FILES)] = None,
    export_times: Annotated[
        Path | None,
        typer.Option(
            "--export-times", "--exportTimes", help="The same with trtexec's keys, as JSON.", rich_help_panel=_FILES
        ),
    ] = None,
    no_parent: Annotated[
        bool, typer.Option("--no-parent", help="Do not compare FP16 or INT8 with its float32 parent.")
    ] = False,
    fail_on_unstable: Annotated[
        bool, typer.Option("--fail-on-unstable", help="Exit with code 7 if latencies drift.")
    ] = False,
    threads: Threads = None,
    trust: Trust = False,
    fallback: Fallback = False,
    runtime: Runtime = "auto",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a plan on the GPU, all else on the CPU.")
    ] = "auto",
    cuda_backend: Annotated[
        Literal["cuda-python", "pycuda"], typer.Option(help="What drives the GPU for a plan.")
    ] = "cuda-python",
    as_json: JsonFlag = False,
) -> None:
    """Measure latency percentiles and throughput at a named boundary, in one of MLPerf's scenarios or by batch size."""
    from ran_deploy.bench.benchmark import benchmark

    result = benchmark(
        engine,
        scenario=scenario,
        boundary=boundary,
        batches=None if batch is None else number_list("--batch", batch, int, "1,8,64"),
        warmup_ms=warm_up,
        duration_s=duration,
        max_duration_s=max_duration,
        precision=precision,
        iterations=iterations,
        percentiles=number_list("--percentile", percentile, float, "90,95,99"),
        average_runs=average_runs,
        qps=qps,
        slo_ms=slo_ms,
        find_max_qps=find_max_qps,
        trials=trials,
        workers=workers,
        seed=seed,
        processes=processes,
        against_parent=not no_parent,
        images=images,
        threads=threads,
        trust=trust,
        fallback=fallback,
        runtime=runtime,
        device=device,
        cuda_backend=cuda_backend,
        fail_on_unstable=fail_on_unstable,
        csv=csv,
        export_times=export_times,
        html=html,
    )
    emit(result, "bench/v1", as_json=as_json, lines=_report(result))
    for text in result.notes:
        note(f"note: {text}")
    for path in (html, csv, export_times):
        if path is not None:
            note(f"wrote {path}")


def _report(result: "BenchResult") -> list[str]:
    session, machine = result.session, result.environment
    threads = f"{session.threads} thread{'s' if session.threads > 1 else ''}"
    lines = [
        f"{result.engine}  {session.runtime}, {session.provider}, {session.precision}, {threads}",
        f"scenario  {result.scenario}",
        f"machine   {machine.cpu}, {machine.cpus} CPUs",
        *(f"boundary  {text}" for text in result.boundaries.values()),
        f"inputs    {result.inputs}",
        f"load      {1000 * result.load_s:.0f} ms, first run {result.first_inference_ms:.1f} ms",
    ]
    if result.search is not None:
        search = result.search
        found = "none" if search.max_qps is None else f"{search.max_qps:.1f} queries/s (±{search.resolution_qps:.1f})"
        lines.append(f"max rate  {found} with p99 at most {search.slo_ms:g} ms, {len(search.trials)} trials")
    if not result.results:
        return lines
    return [*lines, "", *_table(result)]


def _table(result: "BenchResult") -> list[str]:
    from ran_deploy.report.words import ms, rate

    several = len(result.boundaries) > 1
    names = [f"p{estimate.percent:g}" for estimate in result.results[0].percentiles]
    header = ["batch", *(["boundary"] if several else []), "runs", "mean ms", "p50", *names, "max", "cv", "images/s"]
    rows = []
    for entry in result.results:
        cells = [f"n<{one.needs}" if one.ms is None else ms(one.ms) for one in entry.percentiles]
        rows.append(
            [
                str(entry.batch),
                *([entry.boundary] if several else []),
                str(entry.samples),
                ms(entry.mean_ms),
                ms(entry.p50_ms),
                *cells,
                ms(entry.max_ms),
                f"{100 * entry.cv:.1f}%",
                rate(entry.images_per_s),
            ]
        )
    lines = [*table(header, rows), *_remarks(result.results, result.options.average_runs)]
    if any("n<" in text for row in rows for text in row):
        lines.append("n<N: fewer runs than the N that this percentile needs; raise --duration or --iterations")
    return lines


def _remarks(results: "tuple[BatchResult, ...]", runs: int | None) -> list[str]:
    lines = []
    for entry in results:
        if entry.server is not None:
            load = entry.server
            lines.append(
                f"{load.achieved_qps:.1f} queries/s answered of {load.offered_qps:.1f} due, {load.served} of "
                f"{load.scheduled} served; a query waited {load.mean_wait_ms:.1f} ms on average"
            )
        if entry.run_averages_ms:
            averages = entry.run_averages_ms
            lines.append(
                f"batch {entry.batch}, {entry.boundary}: {len(averages)} averages of {runs} runs in a row, "
                f"{min(averages):.3f} to {max(averages):.3f} ms (all in --json)"
            )
        if entry.process_spread is not None:
            medians = ", ".join(f"{median:.3f}" for median in entry.process_p50_ms)
            lines.append(
                f"batch {entry.batch}, {entry.boundary}: medians of the processes {medians} ms, "
                f"spread {100 * entry.process_spread:.1f}%"
            )
    return lines
