"""Student's t for a few seeds: the mean with its interval, and how probable it is if the true mean is zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The mean of at least two values that are taken as normally distributed."""

    value: float
    ci95: tuple[float, float]
    """Student's 95% interval."""
    p: float
    """Two-sided p of a mean of zero."""


def mean_interval(values: Sequence[float]) -> Mean:
    """Return the mean of at least two values with Student's 95% interval.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    freedom = len(values) - 1
    value = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = t_quantile(freedom) * error
    if error == 0:
        return Mean(value=value, ci95=(value, value), p=1.0 if value == 0 else 0.0)
    return Mean(value=value, ci95=(value - half, value + half), p=t_tails(abs(value) / error, freedom))


def t_tails(t: float, freedom: int) -> float:
    """Return the probability that Student's t is beyond ``t`` or ``-t``, for whole degrees of freedom.

    Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine, term, total = math.cos(angle), 1.0, 0.0
    odd = freedom % 2
    if odd:
        term = cosine
    for step in range(freedom // 2):
        total += term
        # 1, 1/2, 1·3/(2·4), … for even degrees of freedom; 1, 2/3, 2·4/(3·5), … for odd ones.
        term *= cosine**2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, 1 - inside)


def t_quantile(freedom: int) -> float:
    """Return the t that 5% of Student's distribution are beyond, on both sides together."""
    low, high = 0.0, 1e3
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tails(middle, freedom) > 0.05 else (low, middle)
    return high
