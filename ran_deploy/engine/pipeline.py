"""The way from a network's name to its plan: export, lower the precision, build."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ran_deploy.engine.build import BuildOptions, BuildResult, build_engine
from ran_deploy.engine.flavour import load_flavour
from ran_deploy.engine.targets import check_targets
from ran_deploy.errors import UsageError
from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.quant.calibration import SHIPPED, require_shipped
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.quantize import quantize_fp16

_PRECISIONS = ("fp32", "fp16", "int8")


def build_for_arch(
    arch: str,
    *,
    dataset: str = "cifar10",
    precision: str = "fp32",
    folder: Path = Path(),
    out: Path | None = None,
    checkpoint: Path | None = None,
    random_weights: bool = False,
    network_options: Mapping[str, Any] | None = None,
    samples: Path | None = None,
    calibration: CalibrationOptions | None = None,
    options: BuildOptions | None = None,
) -> BuildResult:
    """Export a network, convert it if asked to, and build its plan; unchanged steps are not run again.

    Writes ``<arch>.onnx`` (with the dataset in its name where that is not CIFAR-10) into ``folder``, for float16
    ``<stem>_fp16.onnx`` and for INT8 ``<stem>_int8.onnx`` too, and the plan beside them.

    Args:
        arch: A registered name, such as "att92".
        dataset: Chooses the layout, the classes and the shipped weights.
        precision: "fp32", "fp16" or "int8".
        folder: Where the files go.
        out: The plan's path; None: beside the ONNX file.
        checkpoint: Weights; None: the shipped ones.
        random_weights: Use random weights instead.
        network_options: The network's options, with random weights only.
        samples: A folder of images for the parity checks.
        calibration: For INT8: the images or the calibration file; None: what ships for the shipped weights.
        options: How to build; None: the defaults.

    Raises:
        RanDeployError: As the three stages.
    """
    if precision not in _PRECISIONS:
        raise UsageError(f"The precision {precision!r} cannot be built.", fix=f"Use one of {', '.join(_PRECISIONS)}.")
    if calibration is not None and precision != "int8":
        raise UsageError("A calibration goes with --precision int8.", fix="Leave it out, or change --precision.")
    chosen = options or BuildOptions()
    check_targets(load_flavour(chosen.flavour), chosen.targets)  # this and the next: before the long steps
    if precision == "int8" and calibration is None:
        calibration = _shipped(arch, dataset, own_weights=random_weights or checkpoint is not None)
    model = export_onnx(
        arch,
        dataset=dataset,
        checkpoint=checkpoint,
        out=folder / default_name(arch, dataset),
        samples=samples,
        random_weights=random_weights,
        options=network_options,
    ).path
    if precision == "fp16":
        model = quantize_fp16(model, samples=samples).path
    elif calibration is not None:
        # Images of a calibration are what the model is tried on as well.
        model = quantize_int8(model, replace(calibration, try_on=samples if calibration.file else None)).path
    return build_engine(model, out=out, options=chosen)


def _shipped(arch: str, dataset: str, *, own_weights: bool) -> CalibrationOptions:
    if own_weights:
        raise UsageError(
            "INT8 needs real images to be calibrated on; the calibration that ships is for the shipped weights only.",
            fix="Calibrate on images: --calib-dataset NAME --calib-data DIR",
        )
    require_shipped(arch, dataset)
    return CalibrationOptions(file=SHIPPED)
