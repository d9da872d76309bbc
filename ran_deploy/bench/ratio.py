"""How many times as fast one engine is as another, from rounds in which both were measured in turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_ROUNDS = 5
"""Fewer rounds say too little about how much rounds differ."""
_RESAMPLES = 2000
_SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of speeds; above 1: faster."""

    value: float
    """Geometric mean over the rounds."""
    ci95: tuple[float, float]
    """95% bootstrap interval over the rounds."""

    @property
    def inverse(self) -> "Ratio":
        """The ratio the other way round."""
        return Ratio(value=1 / self.value, ci95=(1 / self.ci95[1], 1 / self.ci95[0]))

    def text(self) -> str:
        """Return it as a person reads it."""
        return f"{self.value:.2f} (95% interval {self.ci95[0]:.2f} to {self.ci95[1]:.2f})"


def speed_ratio(speeds: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Compare speeds with a baseline's, round by round, so that what slows a whole round cancels out.

    The interval resamples the rounds 2,000 times with a fixed seed and takes the percentiles 2.5 and 97.5 of the
    geometric mean. It covers this process on this machine only, and is somewhat narrow for few rounds.

    Args:
        speeds: A speed for each round, such as images per second.
        baseline: Those of the other engine in the same rounds.

    Raises:
        ValueError: The rounds are none, not as many, or not all speeds are positive.

    Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", chapter 13 (percentile intervals).
    """
    if not speeds or len(speeds) != len(baseline) or min(*speeds, *baseline) <= 0:
        raise ValueError(f"{len(speeds)} and {len(baseline)} rounds, or a speed that is not positive")
    logs = np.log(np.asarray(speeds)) - np.log(np.asarray(baseline))
    chosen = np.random.default_rng(_SEED).integers(0, len(logs), (_RESAMPLES, len(logs)))
    low, high = np.percentile(logs[chosen].mean(axis=1), (2.5, 97.5))
    return Ratio(value=math.exp(logs.mean()), ci95=(math.exp(low), math.exp(high)))
