"""Intervals of a shift that hold for few rounds and for latencies with heavy tails: ranks instead of variances.

Source: M. Hollander, D. A. Wolfe and E. Chicken, "Nonparametric Statistical Methods", sections 3.3 (Tukey's interval
from the signed-rank statistic) and 4.3 (Moses' interval from the rank-sum statistic).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_UNPAIRED = 5
"""Fewer values on each side say too little about how much they scatter."""
_TAIL = 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRatio:
    """The time that B takes over the time that A takes for the same work; above 1: B is slower."""

    value: float
    """Hodges–Lehmann estimate: a median that one odd round cannot move far."""
    ci95: tuple[float, float]


def paired_ratio(b: Sequence[float], a: Sequence[float], *, looks: int = 1) -> TimeRatio:
    """Compare times that were measured round by round, so that what slows a whole round cancels out.

    Args:
        b: A time of B for each round.
        a: Those of A in the same rounds.
        looks: How often at most the interval is looked at while the rounds go on; it is as much wider as makes all of
            them right together in 95% of cases (Bonferroni).

    Raises:
        ValueError: The rounds are fewer than :func:`least_paired`, not as many, or not all times are positive.
    """
    if len(a) != len(b) or len(a) < least_paired(looks) or min(*a, *b) <= 0:
        raise ValueError(f"{len(b)} and {len(a)} rounds, or a time that is not positive")
    logs = np.log(np.asarray(b, np.float64)) - np.log(np.asarray(a, np.float64))
    first, second = np.triu_indices(len(logs))
    return _ratio((logs[first] + logs[second]) / 2, _signed_rank_distribution(len(logs)), _TAIL / looks)


def unpaired_ratio(b: Sequence[float], a: Sequence[float]) -> TimeRatio:
    """Compare times from two separate measurements.

    Args:
        b: Independent times of B.
        a: Independent times of A.

    Raises:
        ValueError: There are fewer than :data:`LEAST_UNPAIRED` on a side, or not all times are positive.
    """
    if min(len(a), len(b)) < LEAST_UNPAIRED or min(*a, *b) <= 0:
        raise ValueError(f"{len(b)} and {len(a)} times, or a time that is not positive")
    differences = np.log(np.asarray(b, np.float64))[:, None] - np.log(np.asarray(a, np.float64))[None, :]
    return _ratio(differences.ravel(), _rank_sum_distribution(len(b), len(a)), _TAIL)


def least_paired(looks: int) -> int:
    """Return how many pairs an interval needs at least: all of fewer fall on one side by chance too often."""
    return math.ceil(-math.log2(_TAIL / looks))


def _ratio(shifts: npt.NDArray[np.float64], distribution: npt.NDArray[np.float64], tail: float) -> TimeRatio:
    """Return estimate and interval from all pairwise shifts and the null distribution of their count above 0."""
    ordered = np.sort(shifts)
    # The interval leaves out as many shifts on each side as chance alone passes over in at most that share of cases.
    left_out = int(np.searchsorted(np.cumsum(distribution), tail, side="right"))
    low, high = ordered[left_out - 1], ordered[len(ordered) - left_out]
    return TimeRatio(value=math.exp(float(np.median(ordered))), ci95=(math.exp(low), math.exp(high)))


def _signed_rank_distribution(count: int) -> npt.NDArray[np.float64]:
    """Return the probability of each sum of a random subset of the ranks 1 to ``count``."""
    found = np.zeros(count * (count + 1) // 2 + 1)
    found[0] = 1.0
    for rank in range(1, count + 1):
        found[rank:] = found[rank:] + found[:-rank]  # the right side is complete before it is stored
        found /= 2  # each rank is in or out with probability 1/2
    return found


def _rank_sum_distribution(mine: int, theirs: int) -> npt.NDArray[np.float64]:
    """Return the probability of each number of pairs (one of ``mine``, one of ``theirs``) where mine is larger.

    The largest of all values is one of ``mine``, and beats all of ``theirs``, with probability mine / (mine + theirs).
    """
    size = mine * theirs + 1
    none = np.zeros(size)
    none[0] = 1.0
    row = [none] * (theirs + 1)  # for no value of mine, by the number of theirs
    for m in range(1, mine + 1):
        above = [none]
        for t in range(1, theirs + 1):
            largest_is_mine = np.concatenate((np.zeros(t), row[t][: size - t]))
            above.append((m * largest_is_mine + t * above[t - 1]) / (m + t))
        row = above
    return row[theirs]
