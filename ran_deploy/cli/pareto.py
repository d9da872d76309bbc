"""``ran-deploy pareto``: accuracy against speed for the files of one network, in each runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note, table

if TYPE_CHECKING:
    from ran_deploy.bench.pareto_result import ParetoPoint, ParetoResult

EPILOG = """Examples:

ran-deploy pareto att92.onnx att92_fp16.onnx att92_int8.onnx --dataset cifar10 --data DIR --plot pareto.svg

ran-deploy pareto att92.onnx att92_int8.onnx --dataset cifar10 --data DIR --runtimes openvino,openvino-bf16
"""


def pareto_command(
    engines: Annotated[list[Path], typer.Argument(help="Files of one network; the one to compare with first.")],
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100, imagenet, tiny-imagenet or synthetic.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    split: Annotated[Literal["test", "train"], typer.Option(help="The part of the dataset.")] = "test",
    limit: Annotated[int | None, typer.Option(help="Use only that many images, spread evenly over the split.")] = None,
    batch: Annotated[int, typer.Option(help="Batch size of the throughput; latency is at batch 1.")] = 64,
    runtimes: Annotated[
        str, typer.Option(help="Where to run .onnx files: onnxruntime, openvino, openvino-bf16; by commas.")
    ] = "onnxruntime,openvino",
    rounds: Annotated[int, typer.Option(help="How often each point has its turn at each batch size.")] = 10,
    duration: Annotated[
        float, typer.Option(help="Least time to measure each point at each batch size, over all rounds, in seconds.")
    ] = 3.0,
    tolerance: Annotated[float, typer.Option(help="Points of accuracy that count as equal.")] = 0.1,
    plot: Annotated[Path | None, typer.Option(help="Draw the result into this .svg, .png or .pdf file.")] = None,
    threads: Threads = None,
    trust: Trust = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure accuracy, size and speed of a network's files in each runtime, and mark what another dominates."""
    from ran_deploy.bench.pareto import pareto

    result = pareto(
        engines,
        dataset=dataset,
        data=data,
        split=split,
        limit=limit,
        batch=batch,
        runtimes=tuple(runtimes.split(",")),  # type: ignore[arg-type]  # checked by the stage
        rounds=rounds,
        duration_s=duration,
        tolerance_points=tolerance,
        threads=threads,
        trust=trust,
        plot=plot,
    )
    for runtime, reason in result.absent.items():
        note(f"warning: {runtime} is left out: {reason}")
    busy, cpus = result.environment.load_average_1min, result.environment.cpus
    if busy is not None and busy > cpus / 2:
        note(f"warning: the machine was busy before the measurement (load {busy:.1f} on {cpus} CPUs)")
    emit(result, "pareto/v1", as_json=as_json, lines=_report(result))


def _report(result: "ParetoResult") -> list[str]:
    batch = result.options.batch
    header = ("", "file, runtime", "layers", "MB", "top-1", "difference (95%)")
    speeds = ("p50 ms at 1", "speed (95%)", f"images/s at {batch}", "speed (95%)")
    rows = [(*_accuracy(number, point), *_speeds(point)) for number, point in enumerate(result.points, start=1)]
    lines = [f"{result.samples:,} images of {result.dataset} ({result.split}); speed and difference are beside point 1"]
    lines += [f"machine   {result.environment.cpu}, {result.environment.cpus} CPUs", f"boundary  {result.boundary}"]
    lines += [f"order     {result.order}", "", *table((*header, *speeds), rows), "", *_verdicts(result), ""]
    lines += [*result.remarks, f"Rule: {result.rule}"]
    return [*lines, f"plot      {result.plot}"] if result.plot else lines


def _accuracy(number: int, point: "ParetoPoint") -> tuple[str, ...]:
    low, high = point.difference_ci95
    return (
        str(number),
        point.name,
        point.session.precision.partition(" ")[0],
        f"{point.size_bytes / 1e6:.1f}",
        f"{point.top1:.2f}%",
        "–" if number == 1 else f"{point.difference_points:+.2f} ({low:+.2f} to {high:+.2f})",
    )


def _speeds(point: "ParetoPoint") -> tuple[str, ...]:
    cells = []
    for value, ratio in (
        (f"{point.latency.p50_ms:.3f}", point.latency.ratio),
        (f"{point.throughput.images_per_s:,.1f}", point.throughput.ratio),
    ):
        cells += [value, f"{ratio.value:.2f} ({ratio.ci95[0]:.2f} to {ratio.ci95[1]:.2f})"]
    return tuple(cells)


def _verdicts(result: "ParetoResult") -> list[str]:
    lines = []
    for title, speeds in (
        ("accuracy and latency", [point.latency for point in result.points]),
        ("accuracy and throughput", [point.throughput for point in result.points]),
    ):
        lines.append(f"{title} at batch {speeds[0].batch}")
        for point, speed in zip(result.points, speeds, strict=True):
            verdict = f"dominated by {'; '.join(speed.dominated_by)}" if speed.dominated_by else "on the front"
            lines.append(f"  {point.name}: {verdict}")
    return lines
