"""Latency statistics that a sceptic accepts: a stated percentile rule, and no percentile from too few samples."""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

PERCENTILE_RULE = "nearest rank: the smallest sample that at least p% of the samples do not exceed"
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
    p99_9_ms: float | None
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
        p99_9_ms=supported_percentile(ordered, 99.9),
        max_ms=ordered[-1],
        stable=is_stable(latencies_ms),
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of ascending samples by :data:`PERCENTILE_RULE`."""
    return ordered[nearest_rank(len(ordered), percent) - 1]


def nearest_rank(count: int, percent: float) -> int:
    """Return which of ``count`` ascending samples, counted from 1, is a percentile by :data:`PERCENTILE_RULE`."""
    return max(math.ceil(_exact(percent) * count / 100), 1)


def supported_percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return a percentile of ascending samples, or None if they are fewer than it needs."""
    return percentile(ordered, percent) if len(ordered) >= minimum_samples(percent) else None


@functools.cache
def minimum_samples(percent: float) -> int:
    """Return how many samples a percentile needs: 64 for 90, 130 for 95, 662 for 99, 6,636 for 99.9.

    It is the smallest number of which, with confidence 0.99, at least two lie above the true percentile, so that the
    estimate does not hang on a single one. Source: MLPerf's LoadGen, the early-stopping rule.
    """
    share = float(_exact(percent) / 100)
    count = 2
    step = 1 << 30
    while step:  # the chance of at most one sample above falls with the number of samples
        tried = count + step
        if share**tried + tried * (1 - share) * share ** (tried - 1) > 0.01:
            count = tried
        step >>= 1
    return count + 1


def median_interval(ordered: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95% interval of the median of ascending samples; None below ten samples."""
    return percentile_interval(ordered, 50) if len(ordered) >= 10 else None


def percentile_interval(ordered: Sequence[float], percent: float) -> tuple[float, float]:
    """Return the 95% interval of a percentile of ascending, independent samples, from order statistics.

    The ranks follow the normal approximation of the binomial distribution; source: W. J. Conover, "Practical
    Nonparametric Statistics", the section on confidence intervals for a quantile.
    """
    count, share = len(ordered), float(_exact(percent) / 100)
    centre, half = count * share, _Z95 * math.sqrt(count * share * (1 - share))
    low, high = math.floor(centre - half), math.ceil(centre + half) + 1
    return ordered[max(low, 1) - 1], ordered[min(high, count) - 1]


def _exact(percent: float) -> Fraction:
    return Fraction(str(percent))  # 99.9 itself, not the nearest binary number, which would round up by one rank


def drift(latencies_ms: Sequence[float]) -> float:
    """Return how far the mean of a consecutive third lies from the whole mean at most, as a share of it.

    Raises:
        ValueError: There are fewer than three latencies.
    """
    count = len(latencies_ms)
    if count < 3:
        raise ValueError(f"{count} latencies have no thirds")
    mean = math.fsum(latencies_ms) / count
    cuts = [0, count // 3, 2 * count // 3, count]
    thirds = [latencies_ms[start:end] for start, end in itertools.pairwise(cuts)]
    return max(abs(math.fsum(third) / len(third) - mean) for third in thirds) / mean if mean > 0 else 0.0


def is_stable(latencies_ms: Sequence[float]) -> bool:
    """Whether latencies, in the order of measurement, are at least ten and do not drift."""
    return len(latencies_ms) >= _STABLE_MINIMUM and drift(latencies_ms) <= STABLE_DRIFT


def stability_text(latencies_ms: Sequence[float]) -> str:
    """Say in words whether latencies, in the order of measurement, are stable, and why."""
    count = len(latencies_ms)
    if count < _STABLE_MINIMUM:
        return f"unstable: {count} runs are too few to tell; at least {_STABLE_MINIMUM} are needed"
    found = drift(latencies_ms)
    verdict = "stable" if found <= STABLE_DRIFT else "unstable"
    return (
        f"{verdict}: the means of its thirds lie up to {100 * found:.1f}% from the whole mean; "
        f"{100 * STABLE_DRIFT:.0f}% is the bound"
    )
