"""``ran-deploy compare``: whether one engine is faster than another, and how sure that is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import CudaBackend, Threads, Trust
from ran_deploy.cli.facts import fact, origin, scalars
from ran_deploy.cli.number_list import number_list
from ran_deploy.cli.output import JsonFlag, emit, note, table
from ran_deploy.errors import UnstableError, UsageError

if TYPE_CHECKING:
    from ran_deploy.bench.compare_interval import TimeRatio
    from ran_deploy.bench.compare_result import BatchComparison, CompareResult, Side
    from ran_deploy.bench.environment import Environment

EPILOG = """Examples:

ran-deploy compare att92.onnx att92_int8.onnx --runtime-b openvino

ran-deploy compare old.onnx new.onnx --batch 1 --fail-on-regression 3%

ran-deploy compare monday.json tuesday.json    (of: ran-deploy bench --processes 5 --json)
"""

_HASH = 12
_METRICS = {"latency": "the median latency", "throughput": "the time per image of all runs"}


def compare_command(
    a: Annotated[Path, typer.Argument(help="The engine in use, or its result from bench --json.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The candidate, or its result.", show_default=False)],
    batch: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas.", show_default="1,64, or all of two results")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each engine has its turn at each batch size.")] = 40,
    max_rounds: Annotated[
        int | None,
        typer.Option(
            "--max-rounds",
            help="While it is AMBIGUOUS the rounds are doubled, up to this number.",
            show_default="4 × --rounds",
        ),
    ] = None,
    duration: Annotated[
        float, typer.Option(help="Least time to measure each engine at each batch size, over --rounds, in seconds.")
    ] = 8.0,
    settle: Annotated[int, typer.Option(help="Least untimed time before each turn, in ms.")] = 100,
    margin: Annotated[str, typer.Option(help="Largest difference of time that counts as none: 3% or 0.03.")] = "3%",
    metric: Annotated[
        Literal["latency", "throughput"],
        typer.Option(help="What the verdict is about: the median latency, or the time per image of all runs."),
    ] = "latency",
    fail_on_regression: Annotated[
        str | None,
        typer.Option(
            "--fail-on-regression", help="Exit with code 7 if B is surely slower by more than this: 3% or 0.03."
        ),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Feed real images from this folder; else random pixels.")] = None,
    runtime_a: Annotated[
        str, typer.Option("--runtime-a", help="What runs A if it is an .onnx file, as in bench --runtime.")
    ] = "auto",
    runtime_b: Annotated[
        str, typer.Option("--runtime-b", help="What runs B if it is an .onnx file, as in bench --runtime.")
    ] = "auto",
    threads: Threads = None,
    trust: Trust = False,
    cuda_backend: CudaBackend = "cuda-python",
    as_json: JsonFlag = False,
) -> None:
    """Measure two engines in turn and say FASTER, SLOWER, SAME or AMBIGUOUS, with the 95% interval of the ratio."""
    from ran_deploy.bench.compare import compare

    result = compare(
        a,
        b,
        batches=None if batch is None else number_list("--batch", batch, int, "1,64"),
        rounds=rounds,
        max_rounds=max_rounds,
        duration_s=duration,
        settle_ms=settle,
        margin=_share("--margin", margin),
        metric=metric,
        fail_on_regression=None if fail_on_regression is None else _share("--fail-on-regression", fail_on_regression),
        images=images,
        runtime_a=runtime_a,  # type: ignore[arg-type]  # checked by open_engine
        runtime_b=runtime_b,  # type: ignore[arg-type]  # checked by open_engine
        threads=threads,
        trust=trust,
        cuda_backend=cuda_backend,
    )
    emit(result, "compare/v1", as_json=as_json, lines=report_lines(result))
    for remark in result.remarks:
        note(f"warning: {remark}")
    if result.regressions:
        sizes = ", ".join(map(str, result.regressions))
        note(f"error: B is slower than A by more than {fail_on_regression} at batch {sizes}, at 95% confidence.")
        note(f"  fix: Keep {result.a.engine}, or find out what changed; `ran-deploy bench` shows each engine alone.")
        raise typer.Exit(UnstableError.exit_code)


def report_lines(result: "CompareResult") -> list[str]:
    """Lay a comparison out for a person."""
    lines = [*_side("A", result.a), *_side("B", result.b), *fact("relation", result.relation)]
    lines += [*fact("machine", _machine(result.environment)), *fact("boundary", result.comparisons[0].boundary)]
    lines += [*fact("inputs", result.inputs), *fact("order", result.order)]
    about = f"about {_METRICS[result.options.metric]}; {result.rule}"
    lines += [*fact("verdict", about), ""]
    header = ("batch", "A p50 ms", "B p50 ms", "B's latency (95%)", "A images/s", "B images/s", "B's time/image (95%)")
    lines += [*table((*header, "verdict"), [_row(entry) for entry in result.comparisons]), ""]
    for entry in result.comparisons:
        lines += fact(f"batch {entry.batch}", f"{entry.verdict.name}: {entry.verdict.summary}")
    return lines + _regression(result)


def _machine(environment: "Environment") -> str:
    gpus = "".join(f", {gpu.get('name')} (driver {gpu.get('driver_version')})" for gpu in environment.gpus)
    load = environment.load_average_1min
    before = "" if load is None else f", load {load:.1f} before"
    return f"{environment.cpu}, {environment.cpus} CPUs{gpus}{before}, {environment.os}"


def _side(name: str, side: "Side") -> list[str]:
    size = "" if side.size_bytes is None else f", {side.size_bytes / 1e6:.1f} MB"
    threads = f"{side.threads} thread{'s' if side.threads > 1 else ''}"
    lines = fact(name, f"{side.engine}  sha256 {side.sha256[:_HASH]}…{size}")
    version = "".join(f" {version}" for name, version in side.versions.items() if name == side.runtime)
    lines += fact("", f"{side.runtime}{version}, {side.provider}, {side.precision}, {threads}")
    for ancestor in side.lineage:
        lines += fact("", f"made from {origin(ancestor)}")
    return lines + fact("", f"accuracy: {scalars(side.accuracy)}" if side.accuracy else "")


def _row(entry: "BatchComparison") -> tuple[str, ...]:
    return (
        str(entry.batch),
        f"{entry.a.p50_ms:.3f}",
        f"{entry.b.p50_ms:.3f}",
        _ratio(entry.latency),
        f"{entry.a.images_per_s:,.1f}",
        f"{entry.b.images_per_s:,.1f}",
        _ratio(entry.time_per_image),
        entry.verdict.name,
    )


def _ratio(ratio: "TimeRatio | None") -> str:
    if ratio is None:
        return "–"
    low, high = (f"{100 * (end - 1):+.1f}" for end in ratio.ci95)
    return f"{100 * (ratio.value - 1):+.1f}% ({low} to {high})"


def _regression(result: "CompareResult") -> list[str]:
    limit = result.options.fail_on_regression
    if limit is None:
        return []
    state = "REGRESSED" if result.regressions else "no regression"
    return fact("regression", f"{state}; allowed: {100 * limit:.3g}% slower")


def _share(option: str, text: str) -> float:
    """Read "3%" or "0.03"; "3" could be either and is refused."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value < 1:
        raise UsageError(f"{option} is {text!r}; expected a share from 0% to below 100%.", fix="Write 3% or 0.03.")
    return value
