"""``ran-deploy sensitivity``: which parts of a network suffer from quantization."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.output import JsonFlag, emit, note, table

if TYPE_CHECKING:
    from ran_deploy.quant.sensitivity_state import Cost

EPILOG = """Examples:

ran-deploy sensitivity --onnx att92.onnx --calib-dataset cifar10 --calib-data DIR --plot att92_sensitivity.png

ran-deploy sensitivity --onnx att92.onnx --calib-dataset cifar10 --calib-data DIR --group module --top 5
"""


def sensitivity_command(
    onnx: Annotated[Path, typer.Option("--onnx", help="The float32 ONNX file.")],
    calib_data: Annotated[Path, typer.Option(help="The folder of the images; the training split is used.")],
    calib_dataset: Annotated[
        str | None,
        typer.Option(help="cifar10, cifar100, imagenet, tiny-imagenet, or folder (default: the network's own)."),
    ] = None,
    calib_samples: Annotated[int, typer.Option(help="Images that ranges are observed on.")] = 512,
    images: Annotated[
        int | None, typer.Option(help="Other images, that costs are measured on (default: 128, or 32 large ones).")
    ] = None,
    method: Annotated[
        Literal["entropy", "percentile", "minmax"], typer.Option(help="How activation ranges are chosen.")
    ] = "percentile",
    precision: Annotated[Literal["int8", "fp16"], typer.Option(help="The precision to try.")] = "int8",
    group: Annotated[
        Literal["unit", "node", "module"], typer.Option(help="What is quantized at a time: a unit, a node, a branch.")
    ] = "unit",
    quantize_classifier: Annotated[
        bool, typer.Option("--quantize-classifier", help="Try the classifier in INT8, too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the choice of images.")] = 0,
    top: Annotated[
        int, typer.Option(min=1, help="How many of the costliest to list; --json and the file hold all.")
    ] = 20,
    out: Annotated[Path | None, typer.Option(help="The result (default: FILE_sensitivity.json).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: a .png, .svg or .pdf file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Quantize one part of a network at a time and rank the parts by what that costs at the logits.

    A run that was stopped goes on where it was.
    """
    from ran_deploy.quant.sensitivity import sensitivity

    if plot is not None:
        from ran_deploy.figures import check_figure
        from ran_deploy.quant.sensitivity_plot import plot_sensitivity

        check_figure(plot, "The plot of the sensitivity")
    result = sensitivity(
        onnx,
        calib_dataset=calib_dataset,
        calib_data=calib_data,
        samples=calib_samples,
        seed=seed,
        method=method,
        precision=precision,
        group=group,
        images=images,
        classifier=quantize_classifier,
        out=out,
    )
    if result.reused:
        note(f"{result.path} was made from the same inputs already; it is used again")
    if plot is not None:
        plot_sensitivity(result, plot)
        note(f"wrote {plot}")
    rows = [_row(row.group, row.part, row.cost) for row in result.groups[:top]]
    rows.append(_row("(everything)", "", result.everything))
    rows.append(_row("(nothing)", "", result.nothing))
    lines = [
        f"{result.path}  {len(result.groups)} groups in {result.precision}, {result.images} images of "
        f"{result.calibration}",
        *table(["group", "part", "SQNR dB", "flips", "max abs"], rows),
    ]
    emit(result, "sensitivity/v1", as_json=as_json, lines=lines)


def _row(name: str, part: str, cost: "Cost") -> list[str]:
    broken = f" ({cost.not_finite} not finite)" if cost.not_finite else ""
    return [name, part, f"{cost.sqnr_db:.1f}", f"{cost.flips}{broken}", f"{cost.max_abs:.2g}"]
