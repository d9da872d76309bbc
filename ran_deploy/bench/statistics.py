"""Latency statistics that a sceptic accepts: a stated percentile rule, and no percentile from too few samples."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

PERCENTILE_RULE = "nearest rank: the smallest sample that at least p% of the samples do not exceed"
MINIMUM_SAMPLES = {90: 64, 95: 130, 99: 662}
"""Samples that a percentile needs at confidence 0.99 (the rule of MLPerf's LoadGen)."""
STABLE_DRIFT = 0.10
"""A run is stable if the means of its three consecutive thirds lie within this share of the whole mean."""
_STABLE_MINIMUM = 10
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Statistics of one series of latencies; a percentile without enough samples is None."""

    samples: int
    mean_ms: float
    std_ms: float
    """Sample standard deviation; 0 for a single sample."""
    cv: float
    """Coefficient of variation: ``std_ms`` / ``mean_ms``."""
    min_ms: float
    p50_ms: float
    p50_ci95_ms: tuple[float, float] | None
    """95% interval of the median from order statistics, for independent samples; None below ten samples."""
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float
    stable: bool
    """At least ten samples, and no drift above :data:`STABLE_DRIFT`."""


def summarize(latencies_ms: Sequence[float]) -> Summary:
    """Summarize latencies, given in the order in which they were measured.

    Raises:
        ValueError: There are no latencies.
    """
    if not latencies_ms:
        raise ValueError("no latencies to summarize")
    count = len(latencies_ms)
    ordered = sorted(latencies_ms)
    mean = math.fsum(ordered) / count
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1)) if count > 1 else 0.0
    return Summary(
        samples=count,
        mean_ms=mean,
        std_ms=std,
        cv=std / mean if mean > 0 else 0.0,
        min_ms=ordered[0],
        p50_ms=percentile(ordered, 50),
        p50_ci95_ms=median_interval(ordered),
        p90_ms=supported_percentile(ordered, 90),
        p95_ms=supported_percentile(ordered, 95),
        p99_ms=supported_percentile(ordered, 99),
        max_ms=ordered[-1],
        stable=is_stable(latencies_ms),
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of ascending samples by :data:`PERCENTILE_RULE`."""
    rank = -(-percent * len(ordered) // 100)  # rounded up, in whole numbers: 0.9 * n would not be exact
    return ordered[max(rank, 1) - 1]


def supported_percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Return a percentile of ascending samples, or None if they are fewer than it needs."""
    return percentile(ordered, percent) if len(ordered) >= MINIMUM_SAMPLES[percent] else None


def median_interval(ordered: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95% interval of the median of ascending samples; None below ten samples.

    The ranks follow the normal approximation of the binomial distribution; source: W. J. Conover, "Practical
    Nonparametric Statistics", the section on confidence intervals for a quantile.
    """
    count = len(ordered)
    if count < 10:
        return None
    half = _Z95 * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - half), math.ceil(count / 2 + half) + 1
    return ordered[max(low, 1) - 1], ordered[min(high, count) - 1]


def is_stable(latencies_ms: Sequence[float]) -> bool:
    """Whether latencies, in the order of measurement, are at least ten and do not drift."""
    count = len(latencies_ms)
    if count < _STABLE_MINIMUM:
        return False
    mean = math.fsum(latencies_ms) / count
    cuts = [0, count // 3, 2 * count // 3, count]
    thirds = [latencies_ms[start:end] for start, end in itertools.pairwise(cuts)]
    return all(abs(math.fsum(third) / len(third) - mean) <= STABLE_DRIFT * mean for third in thirds)
