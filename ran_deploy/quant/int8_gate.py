"""The first proof of an INT8 model: it answers as the float32 one does on the images that it was calibrated on."""

import numpy as np
import onnx

from ran_deploy.config import to_mapping
from ran_deploy.errors import GateError
from ran_deploy.graph.parity import ParityMetrics, compare_logits
from ran_deploy.manifest import Contract
from ran_deploy.optional import require
from ran_deploy.progress import Progress
from ran_deploy.quant.observed import engine_inputs
from ran_deploy.quant.simulate import rounding_model
from ran_deploy.quant.subset import Subset
from ran_deploy.runtime.session import Logits

LEAST_AGREEMENT = 0.9
"""Top-1 agreement below which a model is refused; accuracy on unseen images is for ``eval --against``."""
_COMPARED_LARGE = 64
_SMALL_PIXELS = 64


def check_int8(
    reference: onnx.ModelProto,
    candidate: onnx.ModelProto,
    contract: Contract,
    subset: Subset,
    *,
    halves: bool,
    trained: bool,
) -> ParityMetrics:
    """Compare an INT8 model with its float32 parent on all calibration images, or on 64 that are large.

    Args:
        reference: The float32 model.
        candidate: The INT8 model.
        contract: Of both.
        subset: The calibration images.
        halves: Whether the rest of the candidate is float16. ONNX Runtime computes that in float32 on a CPU, so
            the rounding of a GPU is put back in.
        trained: Whether the weights are trained; the answers of random weights are ties that noise decides, so
            only infinity and NaN count.

    Raises:
        GateError: Answers are infinite, NaN, or differ for more than one image in ten.
        MissingError: ONNX Runtime is not installed.
    """
    most = len(subset) if contract.preprocessing.size <= _SMALL_PIXELS else min(len(subset), _COMPARED_LARGE)
    with Progress("compare", 2 * most, "images") as progress:
        expected = _run(reference, contract, subset, most, progress)
        actual = _run(rounding_model(candidate) if halves else candidate, contract, subset, most, progress)
    metrics = compare_logits(expected, actual)
    if metrics.not_finite or (trained and metrics.top1_agreement < LEAST_AGREEMENT):
        raise GateError(
            f"The INT8 model answers {100 * metrics.top1_agreement:.1f}% of {metrics.images} calibration images as the "
            f"float32 model does (at least {100 * LEAST_AGREEMENT:.0f}% expected), {metrics.not_finite} of them with "
            "infinity or NaN on either side.",
            fix="Calibrate on images like those in use, try another --method, or use --precision fp16.",
            details=to_mapping(metrics),
        )
    return metrics


def _run(model: onnx.ModelProto, contract: Contract, subset: Subset, most: int, progress: Progress) -> Logits:
    ort = require("onnxruntime", "ran-deploy quantize")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Logits] = []
    left = most
    for batch in engine_inputs(contract, subset):
        found.append(session.run([contract.output.name], {contract.input.name: batch[:left]})[0])
        progress.advance(len(found[-1]))
        left -= len(found[-1])
        if left <= 0:
            break
    return np.concatenate(found)
