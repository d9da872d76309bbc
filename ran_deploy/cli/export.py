"""``ran-deploy export``: from weights to an ONNX file that provably computes the same."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ran_deploy.cli import model_options as given
from ran_deploy.cli.output import JsonFlag, emit, note
from ran_deploy.optional import require

if TYPE_CHECKING:
    from ran_deploy.manifest import Manifest

EPILOG = "Example: ran-deploy export --arch att92 --samples DIR"


class InputChoice(StrEnum):
    """What the exported model takes."""

    UINT8 = "uint8"
    FLOAT32 = "float32-nchw"


def export_command(
    arch: Annotated[str, typer.Option(help="The network: see `ran-deploy archs`.")],
    dataset: Annotated[str, typer.Option(help="Chooses layout, labels and shipped weights.")] = "cifar10",
    checkpoint: Annotated[Path | None, typer.Option(help="Your weights (default: the shipped ones).")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write (default: ARCH.onnx or ARCH_masks.onnx).")] = None,
    input_kind: Annotated[
        InputChoice, typer.Option("--input", help="uint8 NHWC, normalized in the graph; or float32 NCHW.")
    ] = InputChoice.UINT8,
    samples: Annotated[Path | None, typer.Option(help="A folder of images for the parity check.")] = None,
    atol: Annotated[float, typer.Option(help="Largest difference of a logit that is tolerated.")] = 1e-4,
    random_weights: Annotated[bool, typer.Option("--random-weights", help="Try the path without training.")] = False,
    option: given.NetworkOption = None,
    with_masks: Annotated[
        bool,
        typer.Option("--with-masks", help="Add the attention masks as outputs, for `ran-deploy explain` and the page."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Export a network to ONNX; the file appears only if ONNX Runtime and PyTorch agree."""
    require("torch", "ran-deploy export")
    from ran_deploy.graph.export import export_onnx

    result = export_onnx(
        arch,
        dataset=dataset,
        checkpoint=checkpoint,
        out=out,
        input_kind=input_kind.value,
        samples=samples,
        atol=atol,
        random_weights=random_weights,
        options=given.network_options(option),
        with_masks=with_masks,
    )
    if result.reused:
        note("nothing to do: the file was made from the same weights, options and versions")
    if result.manifest.weights == "random":
        note("the weights are random: good for building and timing, useless for predicting")
    parity = result.parity
    source = "given" if parity["source"] == "images" else "generated"
    lines = [
        f"{result.path}  {result.manifest.size_bytes / 1e6:.1f} MB",
        f"parity   torch → ONNX Runtime, {parity['images']} {source} images: "
        f"max abs {parity['max_abs']:.2g} (≤ {parity['atol']:g}), SQNR {parity['sqnr_db']:.0f} dB, "
        f"top-1 agreement {100 * parity['top1_agreement']:.2f}%",
        *_mask_lines(result.manifest, parity),
        f"next     ran-deploy explain --engine {result.path} IMAGE"
        if with_masks
        else f"next     ran-deploy quantize --onnx {result.path} --precision fp16",
    ]
    emit(result, "export/v1", as_json=as_json, lines=lines)


def _mask_lines(manifest: "Manifest", parity: dict[str, Any]) -> list[str]:
    masks = manifest.contract.masks
    if not masks:
        return []
    sides = ", ".join(f"{spec.name} {spec.shape[1]}×{spec.shape[2]}" for spec in masks)
    return [f"masks    {sides}; max abs {max(parity['masks_max_abs'].values()):.2g}"]
