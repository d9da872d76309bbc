"""``ran-deploy quantize``: a model of lower precision, with the proof that it answers the same."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli import model_options as given
from ran_deploy.cli.output import JsonFlag
from ran_deploy.cli.quantize_report import print_quantized
from ran_deploy.errors import UsageError
from ran_deploy.optional import require

if TYPE_CHECKING:
    from ran_deploy.quant.accuracy import Evaluation
    from ran_deploy.quant.quantize import QuantizeResult

EPILOG = """Examples:

ran-deploy quantize --onnx att92.onnx --precision fp16

ran-deploy quantize --onnx att92.onnx --precision int8 --calib-dataset cifar10 --calib-data DIR

ran-deploy quantize --onnx att92.onnx --precision int8 --calibration shipped

ran-deploy quantize --arch att92 --precision int8 --calib-dataset folder --calib-data images/ --high-precision fp16

ran-deploy quantize --onnx att92.onnx --precision int8 --calib-data DIR --auto --eval-data DIR
"""

_INT8 = "Calibration (--precision int8)"
_GATE = "Accuracy gate"
_INT8_OPTIONS = (
    *("calib_dataset", "calib_data", "calib_samples", "method", "seed", "calibration", "save_calibration"),
    *("high_precision", "keep", "quantize_classifier", "reduce_range", "backend", "auto", "auto_group"),
)


def quantize_command(
    context: typer.Context,
    precision: Annotated[Literal["fp16", "int8"], typer.Option(help="The precision to convert to.")],
    onnx: given.Onnx = None,
    arch: given.Arch = None,
    dataset: given.ArchDataset = "cifar10",
    checkpoint: given.Checkpoint = None,
    random_weights: given.RandomWeights = False,
    option: given.NetworkOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The result (default: FILE_fp16.onnx or FILE_int8.onnx, beside the source).")
    ] = None,
    samples: given.Samples = None,
    calib_dataset: given.CalibDataset = None,
    calib_data: given.CalibData = None,
    calib_samples: given.CalibSamples = None,
    method: given.Method = None,
    seed: given.Seed = None,
    calibration: given.CalibrationFile = None,
    save_calibration: Annotated[
        Path | None,
        typer.Option(help="Write the ranges into a calibration file, for others.", rich_help_panel=_INT8),
    ] = None,
    high_precision: Annotated[
        Literal["fp32", "fp16"], typer.Option(help="What is not INT8 is this.", rich_help_panel=_INT8)
    ] = "fp32",
    keep: Annotated[
        list[str] | None, typer.Option(help="A node that stays in it; may be repeated.", rich_help_panel=_INT8)
    ] = None,
    quantize_classifier: Annotated[
        bool, typer.Option("--quantize-classifier", help="Make the classifier INT8, too.", rich_help_panel=_INT8)
    ] = False,
    reduce_range: Annotated[
        bool,
        typer.Option("--reduce-range", help="7-bit weights, for OpenVINO on CPUs without VNNI.", rich_help_panel=_INT8),
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
    network = given.network_options(option)
    given.check_source(
        "ran-deploy quantize", onnx, arch, checkpoint=checkpoint, random_weights=random_weights, option=network
    )
    _refuse_int8_options(context, precision)
    require("onnxruntime", "ran-deploy quantize")
    evaluation = _evaluation(eval_data, eval_dataset, eval_limit, max_drop)
    from ran_deploy.quant.calibration_options import CalibrationOptions

    # Before an export: what contradicts itself is refused at once.
    options = CalibrationOptions(
        dataset=calib_dataset,
        data=calib_data,
        samples=calib_samples,
        seed=seed,
        method=method,
        file=calibration,
        try_on=samples if precision == "int8" else None,
        save=save_calibration,
    )
    if auto:
        from ran_deploy.quant.auto import quantize_auto

        if keep or reduce_range or backend == "modelopt":
            raise UsageError(
                "--auto finds by itself what to keep, with its own placement and 8-bit weights.",
                fix="Leave --keep, --reduce-range and --backend out.",
            )
        convert: Callable[[Path], QuantizeResult] = partial(
            quantize_auto,
            calibration=options,
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
            calibration=options,
            high_precision=high_precision,
            keep=frozenset(keep or ()),
            classifier=quantize_classifier,
            reduce_range=reduce_range,
            backend=backend,
            evaluation=evaluation,
            out=out,
        )
    else:
        from ran_deploy.quant.quantize import quantize_fp16

        convert = partial(quantize_fp16, samples=samples, evaluation=evaluation, out=out)
    if arch is not None:
        require("torch", "ran-deploy quantize --arch")
        from ran_deploy.graph.export import export_onnx

        onnx = export_onnx(
            arch,
            dataset=dataset,
            checkpoint=checkpoint,
            samples=samples,
            random_weights=random_weights,
            options=network,
        ).path
    if onnx is not None:  # one of the two was given
        print_quantized(convert(onnx), as_json=as_json)


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


def _refuse_int8_options(context: typer.Context, precision: str) -> None:
    """An option that would be ignored is a mistake; say so."""
    for name in _INT8_OPTIONS if precision == "fp16" else ():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')} goes with --precision int8.", fix="Leave it out, or change --precision."
            )
