"""Whether a published ordering of two networks held here: on the same test images, over the same seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ran_deploy.experiments.student import mean_interval
from ran_deploy.runtime.paired import compare_predictions

Verdict = Literal["held", "did not hold", "undecided"]
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much more accurate the network is that was published as the better one."""

    points: float
    """In percentage points; negative: it is worse here."""
    ci95: tuple[float, float]
    """95% interval: Tango's over the test images with one seed, Student's over the seeds with more."""
    p: float
    """Two-sided p of no difference: McNemar's exact one with one seed, Student's with more."""


def difference(
    better: Sequence[npt.NDArray[np.int64]], worse: Sequence[npt.NDArray[np.int64]], targets: npt.NDArray[np.int64]
) -> Difference:
    """Compare two networks in pairs.

    Args:
        better: For each seed the predicted classes of the network that was published as the better one, [N].
        worse: Those of the other, with the same seeds.
        targets: The right classes, [N].
    """
    compared = [compare_predictions(b == targets, a == targets, b, a) for a, b in zip(better, worse, strict=True)]
    if len(compared) == 1:
        (pair,) = compared
        return Difference(points=pair.difference_points, ci95=pair.difference_ci95, p=pair.mcnemar_p)
    mean = mean_interval([pair.difference_points for pair in compared])
    return Difference(points=mean.value, ci95=mean.ci95, p=mean.p)


def holm(values: Sequence[float]) -> list[float]:
    """Return the p of several comparisons, adjusted so that all claims made of them together err in 5% of cases.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).
    """
    adjusted = [0.0] * len(values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        least = max(least, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = least
    return adjusted


def judge(found: Difference, adjusted_p: float) -> Verdict:
    """Return the verdict on a published ordering; nothing is claimed that the interval does not allow.

    Args:
        found: The difference here.
        adjusted_p: Its p after :func:`holm`.
    """
    low, high = found.ci95
    if adjusted_p < _ALPHA and low > 0:
        return "held"
    if adjusted_p < _ALPHA and high < 0:
        return "did not hold"
    return "undecided"
