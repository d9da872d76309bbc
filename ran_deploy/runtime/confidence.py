"""How far an engine's confidence is from its accuracy.

The confidence of a prediction is the softmax of its likeliest class. An engine is calibrated where, of the predictions
made with a confidence of 80%, 80% are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.runtime.paired import Flags
from ran_deploy.runtime.session import Logits

BINS = 15
"""As in Guo et al., and most papers since."""

Confidences = npt.NDArray[np.float64]
"""The softmax of the likeliest class, per image, 0 to 1, [N]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The predictions whose confidence is above ``low`` and at most ``high``, both in percent."""

    low: float
    high: float
    samples: int
    accuracy: float | None
    """Percent of them that are right; None: there are none."""
    confidence: float | None
    """Their mean confidence, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Confidence against accuracy, in percent and percentage points."""

    ece_points: float
    """Expected calibration error over 15 bins of equal width: the mean of |accuracy - confidence| of the bins, weighted
    by their images."""
    adaptive_ece_points: float
    """The same over 15 bins of equally many images, in the order of confidence."""
    mean_confidence: float
    """Above the accuracy: overconfident on the whole; below: underconfident."""
    bins: tuple[Bin, ...]
    """The bins of equal width, the least confident first."""


def confidences(logits: Logits) -> Confidences:
    """Return the softmax of the likeliest class of each row of logits [N, classes]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(1 / np.exp(shifted).sum(axis=1))


def measure_calibration(confidence: Confidences, correct: Flags) -> Calibration:
    """Compare confidence with accuracy.

    Args:
        confidence: The confidence of each prediction, [N].
        correct: Whether it is right, [N].

    Raises:
        UsageError: The arrays are empty, or not of one length.

    Source: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017),
    section 2; bins of equally many images: K. Nguyen and B. O'Connor, "Posterior calibration and exploratory analysis
    for natural language processing models" (EMNLP 2015).
    """
    if not len(confidence) or confidence.shape != correct.shape:
        raise UsageError(f"There are {len(confidence)} confidences for {len(correct)} predictions; expected as many.")
    # Bin m holds ((m - 1) / 15, m / 15]: a confidence of 0 does not occur, one of 1 does.
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    equal_width = [np.flatnonzero(place == number) for number in range(BINS)]
    equal_mass = np.array_split(np.argsort(confidence, kind="stable"), BINS)
    return Calibration(
        ece_points=_error(confidence, correct, equal_width),
        adaptive_ece_points=_error(confidence, correct, equal_mass),
        mean_confidence=100 * float(confidence.mean()),
        bins=tuple(_bin(number, confidence[members], correct[members]) for number, members in enumerate(equal_width)),
    )


def _error(confidence: Confidences, correct: Flags, bins: Sequence[npt.NDArray[np.int64]]) -> float:
    gaps = [abs(float(correct[members].sum() - confidence[members].sum())) for members in bins]
    return 100 * sum(gaps) / len(confidence)


def _bin(number: int, confidence: Confidences, correct: Flags) -> Bin:
    return Bin(
        low=100 * number / BINS,
        high=100 * (number + 1) / BINS,
        samples=len(correct),
        accuracy=100 * float(correct.mean()) if len(correct) else None,
        confidence=100 * float(confidence.mean()) if len(correct) else None,
    )
