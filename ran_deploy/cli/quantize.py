"""``ran-deploy quantize``: a model of lower precision, with the proof that it answers the same."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.output import JsonFlag, emit, note
from ran_deploy.errors import UsageError
from ran_deploy.optional import require

if TYPE_CHECKING:
    from ran_deploy.quant.accuracy import Evaluation
    from ran_deploy.quant.quantize import QuantizeResult

EPILOG = """Examples:

ran-deploy quantize --onnx att92.onnx --precision fp16

ran-deploy quantize --arch att92 --precision fp16 --samples images/

ran-deploy quantize --onnx att92.onnx --precision int8 --calib-dataset cifar10 --calib-data DIR

ran-deploy quantize --arch att92 --precision int8 --calib-dataset folder --calib-data images/ --high-precision fp16

ran-deploy quantize --onnx att92.onnx --precision int8 --calib-data DIR --auto --eval-data DIR
"""

_SOURCE = "Source"
_INT8 = "Calibration (--precision int8)"
_GATE = "Accuracy gate"
_SOURCES = {"images": "given", "generated": "generated", "calibration": "calibration"}
_INT8_OPTIONS = (
    *("calib_dataset", "calib_data", "calib_samples", "method", "seed", "high_precision"),
    *("keep", "quantize_classifier", "backend", "auto", "auto_group"),
)


def quantize_command(
    context: typer.Context,
    precision: Annotated[Literal["fp16", "int8"], typer.Option(help="The precision to convert to.")],
    onnx: Annotated[Path | None, typer.Option("--onnx", help="The float32 ONNX file.", rich_help_panel=_SOURCE)] = None,
    arch: Annotated[str | None, typer.Option(help="Or a network, exported first.", rich_help_panel=_SOURCE)] = None,
    dataset: Annotated[
        str, typer.Option(help="With --arch: the network's dataset.", rich_help_panel=_SOURCE)
    ] = "cifar10",
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --arch: its weights (default: shipped).", rich_help_panel=_SOURCE)
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="With --arch: random weights.", rich_help_panel=_SOURCE)
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The result (default: FILE_fp16.onnx or FILE_int8.onnx, beside the source).")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="float16: a folder of images to try the model on (default: generated ones).")
    ] = None,
    calib_dataset: Annotated[
        str | None,
        typer.Option(
            help="cifar10, cifar100, imagenet, tiny-imagenet, or folder (default: the network's own).",
            rich_help_panel=_INT8,
        ),
    ] = None,
    calib_data: Annotated[
        Path | None, typer.Option(help="The folder with its images; the training split is used.", rich_help_panel=_INT8)
    ] = None,
    calib_samples: Annotated[int, typer.Option(help="How many images.", rich_help_panel=_INT8)] = 512,
    method: Annotated[
        Literal["entropy", "percentile", "minmax"] | None,
        typer.Option(
            help="How activation ranges are chosen (default: percentile; modelopt: entropy).", rich_help_panel=_INT8
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of images.", rich_help_panel=_INT8)] = 0,
    high_precision: Annotated[
        Literal["fp32", "fp16"], typer.Option(help="What is not INT8 is this.", rich_help_panel=_INT8)
    ] = "fp32",
    keep: Annotated[
        list[str] | None, typer.Option(help="A node that stays in it; may be repeated.", rich_help_panel=_INT8)
    ] = None,
    quantize_classifier: Annotated[
        bool, typer.Option("--quantize-classifier", help="Make the classifier INT8, too.", rich_help_panel=_INT8)
    ] = False,
    backend: Annotated[
        Literal["own", "modelopt"],
        typer.Option(help="What places Q/DQ: ran-deploy, or NVIDIA's ModelOpt.", rich_help_panel=_INT8),
    ] = "own",
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Leave the costliest parts in float, as few as the gate needs.", rich_help_panel=_GATE
        ),
    ] = False,
    auto_group: Annotated[
        Literal["unit", "node", "module"],
        typer.Option(help="With --auto: what is left in float at a time.", rich_help_panel=_GATE),
    ] = "unit",
    eval_data: Annotated[
        Path | None,
        typer.Option(help="Compare with float32 on this dataset's test split.", rich_help_panel=_GATE),
    ] = None,
    eval_dataset: Annotated[
        str | None, typer.Option(help="Its name (default: the network's own).", rich_help_panel=_GATE)
    ] = None,
    eval_limit: Annotated[int | None, typer.Option(help="Use that many images only.", rich_help_panel=_GATE)] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="Points that may be lost (default: 0.1 for fp16, 0.5 for int8).", rich_help_panel=_GATE),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Convert a float32 ONNX file to float16 or INT8, and prove that it still answers the same.

    float16: nodes that leave its range stay in float32 and are named. INT8: activation ranges are observed on real
    training images, never on generated ones.
    """
    if (onnx is None) == (arch is None):
        raise UsageError("Give either --onnx or --arch.", fix="See: ran-deploy quantize --help")
    if onnx is not None and (checkpoint or random_weights):
        raise UsageError("--checkpoint and --random-weights go with --arch; an ONNX file has its weights.")
    _refuse_options_of_the_other(context, precision)
    require("onnxruntime", "ran-deploy quantize")
    evaluation = _evaluation(eval_data, eval_dataset, eval_limit, max_drop)
    if auto:
        from ran_deploy.quant.auto import quantize_auto

        if keep or backend == "modelopt":
            raise UsageError("--auto finds by itself what to keep, with its own placement.", fix="Leave it out.")
        convert: Callable[[Path], QuantizeResult] = partial(
            quantize_auto,
            calib_dataset=calib_dataset,
            calib_data=calib_data,
            samples=calib_samples,
            method=method or "percentile",
            seed=seed,
            high_precision=high_precision,
            classifier=quantize_classifier,
            evaluation=evaluation,
            group=auto_group,
            out=out,
        )
    elif precision == "int8":
        from ran_deploy.quant.int8 import quantize_int8

        convert = partial(
            quantize_int8,
            calib_dataset=calib_dataset,
            calib_data=calib_data,
            samples=calib_samples,
            method=method,
            seed=seed,
            high_precision=high_precision,
            keep=frozenset(keep or ()),
            classifier=quantize_classifier,
            backend=backend,
            evaluation=evaluation,
            out=out,
        )
    else:
        from ran_deploy.quant.quantize import quantize_fp16

        convert = partial(quantize_fp16, samples=samples, evaluation=evaluation, out=out)
    if onnx is not None:
        result = convert(onnx)
    else:
        require("torch", "ran-deploy quantize --arch")
        from ran_deploy.quant.pipeline import convert_arch

        result = convert_arch(
            str(arch),
            convert,
            dataset=dataset,
            checkpoint=checkpoint,
            random_weights=random_weights,
            samples=samples,
        )
    _print(result, precision, as_json=as_json)


def _evaluation(
    data: Path | None, dataset: str | None, limit: int | None, max_drop: float | None
) -> "Evaluation | None":
    from ran_deploy.quant.accuracy import Evaluation

    if data is None and dataset != "synthetic":
        if (dataset, limit, max_drop) != (None, None, None):
            raise UsageError(
                "--eval-dataset, --eval-limit and --max-drop need images to evaluate on.", fix="Add --eval-data DIR."
            )
        return None
    return Evaluation(data=data, dataset=dataset, limit=limit, max_drop=max_drop)


def _refuse_options_of_the_other(context: typer.Context, precision: str) -> None:
    """An option that would be ignored is a mistake; say so."""
    others = _INT8_OPTIONS if precision == "fp16" else ("samples",)
    given = [name for name in others if _was_given(context, name)]
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        goes = "int8" if precision == "fp16" else "fp16; INT8 is tried on its calibration images"
        raise UsageError(f"{flag} goes with --precision {goes}.", fix="Leave it out, or change --precision.")


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _print(result: "QuantizeResult", precision: str, *, as_json: bool) -> None:
    found, parity = result.manifest.precision, result.parity
    if result.reused:
        note(f"{result.path} was made from the same inputs already; it is used again")
    elif found.kept:
        why = "in float32, for their range" if precision == "fp16" else "in float"
        note(f"left {why}: {', '.join(found.kept)}")
    for trial in (found_by := result.manifest.calibration or {}).get("auto", {}).get("trials", ()):
        note(
            f"{'held' if trial['passed'] else 'failed'} with {trial['given_back']} groups in float: {trial['finding']}"
        )
    if groups := found_by.get("auto", {}).get("groups"):
        note(f"groups left in float: {', '.join(groups)}")
    obtained = ", ".join(f"{count} {name}" for name, count in found.obtained.items())
    lines = [
        f"{result.path}  {result.manifest.size_bytes / 1e6:.1f} MB",
        f"precision  {precision} asked for; convolutions and classifier: {obtained}",
        f"parity     on {parity['images']} {_SOURCES[parity['source']]} images: "
        f"max abs {parity['max_abs']:.2g}, SQNR {parity['sqnr_db']:.1f} dB, "
        f"top-1 agreement {100 * parity['top1_agreement']:.1f}%",
    ]
    if accuracy := result.manifest.accuracy:
        low, high = accuracy["difference_ci95"]
        lines.append(
            f"accuracy   {accuracy['candidate_top1']:.2f}% against {accuracy['reference_top1']:.2f}% in float32 on "
            f"{accuracy['samples']:,} test images: {accuracy['difference_points']:+.2f} points "
            f"(95% interval {low:+.2f} to {high:+.2f})"
        )
        lines.append(f"gate       {accuracy['gate']['summary']}")
    lines.append(f"next       ran-deploy build --onnx {result.path}")
    emit(result, "quantize/v1", as_json=as_json, lines=lines)
