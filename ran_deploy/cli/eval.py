"""``ran-deploy eval``: the accuracy of an engine."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import BatchSize, CudaBackend, Engine, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note
from ran_deploy.errors import UsageError

if TYPE_CHECKING:
    from ran_deploy.runtime.evaluate import EvalResult

EPILOG = """Examples:

ran-deploy eval --engine att92.onnx --dataset cifar10 --data DIR

ran-deploy eval --engine att92_int8.onnx --against att92.onnx --dataset cifar10 --data DIR

ran-deploy eval --engine att92.onnx --dataset cifar10 --data DIR --corrupt jpeg:30 --corrupt blur:1 --plot att92.svg
"""


def eval_command(
    engine: Engine,
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100, imagenet, tiny-imagenet or synthetic.")],
    data: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="A reference engine to compare with, on the same images.")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="With --against: points that the engine may lose; else 0.1 for fp16, 0.5 for int8."),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also calibration error, accuracy by class and the confusion matrix.")
    ] = False,
    corrupt: Annotated[
        list[str] | None,
        typer.Option(help="Measure again on images made worse: jpeg:QUALITY, blur:SIGMA or noise:STD. Repeatable."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw confusion and reliability: a .svg, .png or .pdf.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the details as tables into this .md file.")] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Also average each image with its mirror image; reported apart.")
    ] = False,
    split: Annotated[Literal["test", "train"], typer.Option(help="The part of the dataset.")] = "test",
    limit: Annotated[int | None, typer.Option(help="Use only that many images, spread evenly over the split.")] = None,
    batch: BatchSize = 64,
    threads: Threads = None,
    trust: Trust = False,
    fallback: Fallback = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
    as_json: JsonFlag = False,
) -> None:
    """Measure an engine's accuracy on a labelled dataset, alone or against another engine on the same images."""
    from ran_deploy.runtime.against import evaluate_against
    from ran_deploy.runtime.detail import evaluate_in_detail
    from ran_deploy.runtime.evaluate import evaluate
    from ran_deploy.runtime.flip import evaluate_with_flip

    if max_drop is not None and against is None:
        raise UsageError("--max-drop limits the drop against a reference.", fix="Name the reference with --against.")
    measure = evaluate
    if flip:
        if details or corrupt or plot or report or against is not None:
            raise UsageError("--flip is a measurement of its own.", fix="Run the command once for each.")
        measure = evaluate_with_flip
    elif details or corrupt or plot or report:
        if against is not None:
            raise UsageError("--details and --against are two measurements.", fix="Run the command once for each.")
        measure = partial(evaluate_in_detail, corrupt=tuple(corrupt or ()), plot=plot, report=report)
    elif against is not None:
        measure = partial(evaluate_against, reference=against, max_drop=max_drop)
    result = measure(
        engine,
        dataset=dataset,
        data=data,
        split=split,
        batch=batch,
        limit=limit,
        threads=threads,
        trust=trust,
        fallback=fallback,
        runtime=runtime,
        cuda_backend=cuda_backend,
    )
    low, high = result.top1_ci95
    lines = [f"{result.engine}  {result.runtime}, {result.samples:,} images of {result.dataset} ({result.split})"]
    lines.append(f"top-1  {result.top1:.2f}%  (95% interval {low:.2f} to {high:.2f})")
    if result.top5 is not None:
        lines.append(f"top-5  {result.top5:.2f}%")
    lines += [*_against_lines(result), *_detail_lines(result), *_flip_lines(result)]
    emit(result, "eval/v1", as_json=as_json, lines=lines)
    for text in _notes(result):
        note(f"note: {text}")


def _notes(result: "EvalResult") -> tuple[str, ...]:
    from ran_deploy.runtime.against import AgainstResult

    return (*result.notes, *result.against.reference.notes) if isinstance(result, AgainstResult) else result.notes


def _detail_lines(result: "EvalResult") -> list[str]:
    from ran_deploy.runtime.detail_result import DetailResult

    if not isinstance(result, DetailResult):
        return []
    from ran_deploy.cli.eval_report import detail_lines

    return detail_lines(result)


def _flip_lines(result: "EvalResult") -> list[str]:
    from ran_deploy.runtime.flip import FlipResult

    if not isinstance(result, FlipResult):
        return []
    low, high = result.flip.top1_ci95
    less, more = result.flip.paired.difference_ci95
    return [
        f"with each image's mirror image, at twice the cost  top-1 {result.flip.top1:.2f}%  "
        f"(95% interval {low:.2f} to {high:.2f})",
        f"difference  {result.flip.paired.difference_points:+.2f} points  (95% interval {less:+.2f} to {more:+.2f}); "
        "no gate looks at it",
    ]


def _against_lines(result: "EvalResult") -> list[str]:
    from ran_deploy.runtime.against import AgainstResult

    if not isinstance(result, AgainstResult):
        return []
    reference, paired, gate = result.against.reference, result.against.paired, result.against.gate
    low, high = paired.difference_ci95
    lines = [
        f"against {reference.engine}  {reference.runtime}, {reference.top1:.2f}%",
        f"difference  {paired.difference_points:+.2f} points  (95% interval {low:+.2f} to {high:+.2f})",
        f"disagreement  {paired.only_reference_right} images lost, {paired.only_candidate_right} won "
        f"(McNemar p {paired.mcnemar_p:.2g}); same class on {paired.agreement:.2f}%",
    ]
    if gate is not None and gate.verdict == "UNDECIDED":
        note(f"warning: {gate.summary}")
    elif gate is not None:
        lines.append(gate.summary)
    return lines
