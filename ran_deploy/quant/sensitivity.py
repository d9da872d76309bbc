"""``sensitivity``: what the quantization of each part of a network costs, the costliest first."""

from pathlib import Path
from typing import get_args

from ran_deploy.errors import UsageError
from ran_deploy.files import require_output
from ran_deploy.optional import require
from ran_deploy.quant.calibrate import METHODS, Method
from ran_deploy.quant.calibration import ImageCalibration
from ran_deploy.quant.groups import GROUPINGS, Grouping
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.ranking import SensitivityPlan, SensitivityResult, default_images, rank
from ran_deploy.quant.source import source_manifest
from ran_deploy.quant.subset import DEFAULT_SAMPLES, choose_subset, hold_out, open_calibration_data
from ran_deploy.quant.variants import LowPrecision, Variants, fp16_variants, int8_variants
from ran_deploy.runtime.onnx_file import load_onnx


def sensitivity(
    onnx_path: Path,
    *,
    calib_dataset: str | None = None,
    calib_data: Path | None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    method: Method = "percentile",
    precision: LowPrecision = "int8",
    group: Grouping = "unit",
    images: int | None = None,
    classifier: bool = False,
    out: Path | None = None,
) -> SensitivityResult:
    """Rank the parts of a network by what the quantization of each alone costs at the logits.

    One group at a time is quantized and all else stays float32. Ranges come from the cache or are observed once;
    costs are measured on other images of the training split. Each measurement is kept beside the result, so that a
    run that was stopped goes on where it was.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        calib_dataset: One of :data:`ran_deploy.quant.subset.CALIBRATION_DATASETS`; None: the model's own.
        calib_data: The folder with its images.
        samples: Images that ranges are observed on.
        seed: Seed of the choice of images.
        method: How ranges are chosen.
        precision: "int8", or "fp16" in the arithmetic of a GPU.
        group: What is quantized at a time: a residual "unit", a "node", or a "module" such as a whole mask.
        images: Images that costs are measured on; None: 128, or 32 that are large.
        classifier: Whether the classifier counts among what INT8 takes.
        out: The result; None: beside the model, with ``_sensitivity.json`` in its name.

    Raises:
        UsageError: The file is not a float32 model with a manifest, or there are not enough real images.
        IntegrityError: The file or an image is damaged.
        GateError: The float32 model itself gives infinity or NaN.
        MissingError: ONNX Runtime is not installed.
    """
    for value, known in ((group, GROUPINGS), (method, METHODS), (precision, get_args(LowPrecision))):
        if value not in known:
            raise UsageError(f"There is no choice {value!r} here.", fix=f"Use one of {', '.join(known)}.")
    source = source_manifest(onnx_path)
    if source.precision.asked != "fp32":
        raise UsageError(
            f"{onnx_path} is {source.precision.asked} already; sensitivity is measured on the float32 file.",
            fix="Give the file that ran-deploy export wrote.",
        )
    require("onnxruntime", "ran-deploy sensitivity")
    path = onnx_path.with_name(f"{onnx_path.stem}_sensitivity.json") if out is None else out
    require_output(path, ".json")
    subset = choose_subset(
        open_calibration_data(calib_dataset or source.dataset or "folder", calib_data, source.contract), samples, seed
    )
    model = prepare(load_onnx(onnx_path))
    plan = SensitivityPlan(
        source=source,
        subset=subset,
        held_out=hold_out(subset, images or default_images(source.contract)),
        method=method,
        grouping=group,
        precision=precision,
        classifier=classifier,
    )

    def make() -> Variants:
        if precision == "fp16":
            return fp16_variants(model)
        return int8_variants(model, source, ImageCalibration(subset=subset, method=method), classifier=classifier)

    return rank(make, plan, name=str(onnx_path), path=path)
