"""Two engines on the same images: what their difference in accuracy is, and how sure that is.

Only the images on which exactly one of the two is right carry information on the difference, so the engines are
compared in pairs and not by two separate intervals, which would be several times too wide.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError

_Z95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""

Flags = npt.NDArray[np.bool_]
"""Whether an engine is right, per image, [N]."""
Classes = npt.NDArray[np.int64]
"""The class that an engine finds likeliest, per image, [N]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAccuracy:
    """How a candidate's accuracy differs from a reference's on the same images."""

    samples: int
    """Number of images."""
    reference_top1: float
    """Accuracy of the reference, in percent."""
    candidate_top1: float
    """Accuracy of the candidate, in percent."""
    difference_points: float
    """Candidate minus reference, in percentage points; negative: the candidate is worse."""
    difference_ci95: tuple[float, float]
    """Tango's 95% interval of the difference, in percentage points."""
    only_reference_right: int
    """Images that the reference has right and the candidate wrong."""
    only_candidate_right: int
    """Images that the candidate has right and the reference wrong."""
    mcnemar_p: float
    """McNemar's exact two-sided p: how probable so uneven a split of those images is if neither is better."""
    agreement: float
    """Percent of the images on which both find the same class likeliest, be it right or wrong."""


def compare_predictions(
    reference_correct: Flags, candidate_correct: Flags, reference_class: Classes, candidate_class: Classes
) -> PairedAccuracy:
    """Compare two engines' predictions on the same images.

    Args:
        reference_correct: Whether the reference is right, [N].
        candidate_correct: Whether the candidate is right, [N].
        reference_class: The reference's likeliest class, [N].
        candidate_class: The candidate's likeliest class, [N].

    Raises:
        UsageError: The arrays are empty, or not of one length.
    """
    arrays = (reference_correct, candidate_correct, reference_class, candidate_class)
    samples = len(reference_correct)
    if samples == 0 or any(array.shape != (samples,) for array in arrays):
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise UsageError(f"The predictions have the shapes {shapes}; expected the same [N] four times, N at least 1.")
    worse = int(np.count_nonzero(reference_correct & ~candidate_correct))
    better = int(np.count_nonzero(candidate_correct & ~reference_correct))
    low, high = tango_interval(better, worse, samples)
    return PairedAccuracy(
        samples=samples,
        reference_top1=100 * int(np.count_nonzero(reference_correct)) / samples,
        candidate_top1=100 * int(np.count_nonzero(candidate_correct)) / samples,
        difference_points=100 * (better - worse) / samples,
        difference_ci95=(100 * low, 100 * high),
        only_reference_right=worse,
        only_candidate_right=better,
        mcnemar_p=mcnemar_exact(worse, better),
        agreement=100 * int(np.count_nonzero(reference_class == candidate_class)) / samples,
    )


def mcnemar_exact(first: int, second: int) -> float:
    """Return McNemar's exact two-sided p for two counts of images that only one engine has right.

    Twice the smaller tail of a binomial with probability one half, at most 1, in exact integers; without the
    mid-p correction, so that it never claims more than it may.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions" (1947).
    """
    total, smaller = first + second, min(first, second)
    term = tail = 1
    for successes in range(smaller):
        term = term * (total - successes) // (successes + 1)
        tail += term
    return min(1.0, float(2 * tail / 2**total))


def tango_interval(better: float, worse: float, samples: float) -> tuple[float, float]:
    """Return Tango's 95% score interval of a paired difference of proportions, on the scale -1 to 1.

    Chosen over Newcombe's method 10, whose interval can shrink to a point when the engines disagree nowhere
    and does when the accuracy is one half: without any disagreement Tango's is ±z²/(N + z²), as it should be.

    Args:
        better: Images that only the candidate has right; need not be whole, for planning.
        worse: Images that only the reference has right.
        samples: Number of images.

    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17 (1998); recommended by M. W. Fagerland, S. Lydersen and
    P. Laake, "Recommended tests and confidence intervals for paired binomial proportions", ibid. 33 (2014).
    """
    estimate = (better - worse) / samples

    def edge(outer: float, target: float) -> float:
        inner = estimate
        for _ in range(60):  # halves an interval of at most 2 to below the precision of a float
            middle = (inner + outer) / 2
            if (_score(better, worse, samples, middle) - target) * target < 0:
                inner = middle
            else:
                outer = middle
        return (inner + outer) / 2

    return edge(-1.0, _Z95), edge(1.0, -_Z95)


def _score(better: float, worse: float, samples: float, difference: float) -> float:
    """Tango's statistic for the hypothesis of a ``difference``; it falls as the difference grows."""
    a = 2 * samples
    b = -better - worse + (2 * samples - better + worse) * difference
    c = -worse * difference * (1 - difference)
    share = max(0.0, (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a))
    variance = samples * (2 * share + difference * (1 - difference))
    distance = better - worse - samples * difference
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)
