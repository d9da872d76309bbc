"""From a network's name to an ONNX file of the wanted precision: export, then convert."""

from collections.abc import Callable
from pathlib import Path

from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.quant.quantize import QuantizeResult, quantize_fp16


def quantize_for_arch(
    arch: str,
    *,
    dataset: str = "cifar10",
    folder: Path = Path(),
    out: Path | None = None,
    checkpoint: Path | None = None,
    random_weights: bool = False,
    samples: Path | None = None,
) -> QuantizeResult:
    """Export a network into ``folder`` and convert it to float16; unchanged steps are reused.

    Args:
        arch: A registered name, such as "att92".
        dataset: Chooses the layout, the classes and the shipped weights.
        folder: Where the files go.
        out: The float16 file; None: beside the exported file, with ``_fp16`` in its name.
        checkpoint: Weights; None: the shipped ones.
        random_weights: Use random weights instead.
        samples: A folder of images for the parity checks.

    Raises:
        RanDeployError: As :func:`export_onnx` and :func:`quantize_fp16`.
    """
    return convert_arch(
        arch,
        lambda exported: quantize_fp16(exported, out=out, samples=samples),
        dataset=dataset,
        folder=folder,
        checkpoint=checkpoint,
        random_weights=random_weights,
        samples=samples,
    )


def convert_arch(
    arch: str,
    convert: Callable[[Path], QuantizeResult],
    *,
    dataset: str = "cifar10",
    folder: Path = Path(),
    checkpoint: Path | None = None,
    random_weights: bool = False,
    samples: Path | None = None,
) -> QuantizeResult:
    """Export a network into ``folder`` and convert the file; unchanged steps are reused.

    Args:
        arch: A registered name, such as "att92".
        convert: Takes the path of the exported file, such as :func:`quantize_fp16` with its options bound.
        dataset: Chooses the layout, the classes and the shipped weights.
        folder: Where the exported file goes.
        checkpoint: Weights; None: the shipped ones.
        random_weights: Use random weights instead.
        samples: A folder of images for the exporter's parity check.

    Raises:
        RanDeployError: As :func:`export_onnx` and ``convert``.
    """
    exported = export_onnx(
        arch,
        dataset=dataset,
        checkpoint=checkpoint,
        out=folder / default_name(arch, dataset),
        samples=samples,
        random_weights=random_weights,
    )
    return convert(exported.path)
