"""The first proof of an INT8 model: it answers as the float32 one does, on images that need no labels."""

import math
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import onnx

from ran_deploy.config import to_mapping
from ran_deploy.errors import GateError
from ran_deploy.graph.parity import ParityMetrics, compare_logits
from ran_deploy.manifest import Contract
from ran_deploy.progress import Progress
from ran_deploy.quant.simulate import rounding_model
from ran_deploy.quant.trial import TrialImages, logits_of

LEAST_AGREEMENT = 0.9
"""Top-1 agreement below which a model is refused; accuracy on unseen images is for ``eval --against``."""
LEAST_SQNR_DB = 10.0
"""Less than that is no rounding: Attention-92 has 24 dB on generated images, 30 dB on real ones."""
_SOURCES = {"calibration": "calibration", "images": "given", "generated": "generated"}


def check_int8(
    reference: onnx.ModelProto,
    candidate: onnx.ModelProto,
    contract: Contract,
    images: TrialImages,
    *,
    halves: bool,
    trained: bool,
) -> ParityMetrics:
    """Compare an INT8 model with its float32 parent.

    Args:
        reference: The float32 model.
        candidate: The INT8 model.
        contract: Of both.
        images: What they are shown.
        halves: Whether the rest of the candidate is float16. ONNX Runtime computes that in float32 on a CPU, so
            the rounding of a GPU is put back in.
        trained: Whether the weights are trained; the answers of random weights are ties that noise decides, so
            only infinity and NaN count.

    Raises:
        GateError: Answers are infinite or NaN, differ for more than one image in ten (one of fewer than ten may), or
            the logits are mostly noise.
        MissingError: ONNX Runtime is not installed.
    """
    with Progress("compare", 2 * images.count, "images") as progress:
        expected = logits_of(reference, contract, _counted(images, progress))
        actual = logits_of(rounding_model(candidate) if halves else candidate, contract, _counted(images, progress))
    metrics = compare_logits(expected, actual)
    allowed = max(1, math.floor(metrics.images * (1 - LEAST_AGREEMENT) + 1e-9))
    unlike = metrics.flips > allowed or metrics.sqnr_db < LEAST_SQNR_DB
    if metrics.not_finite or (trained and unlike):
        raise GateError(
            f"The INT8 model answers {100 * metrics.top1_agreement:.1f}% of {metrics.images} {_SOURCES[images.source]} "
            f"images as the float32 model does (at least {100 * LEAST_AGREEMENT:.0f}% expected), with an SQNR of "
            f"{metrics.sqnr_db:.1f} dB (at least {LEAST_SQNR_DB:.0f} expected), {metrics.not_finite} of them with "
            "infinity or NaN on either side.",
            fix="Calibrate on images like those in use, try another --method, or use --precision fp16.",
            details=to_mapping(metrics),
        )
    return metrics


def _counted(images: TrialImages, progress: Progress) -> Iterator[npt.NDArray[Any]]:
    left = images.count
    for batch in images.batches():
        yield batch[:left]
        progress.advance(min(left, len(batch)))
        left -= len(batch)
        if left <= 0:
            return
