"""How latencies are distributed: counts in bins of equal width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.bench.statistics import percentile

_BINS = 48
_FENCE = 5
"""Latencies more than so many times the interquartile range above the third quartile share the last bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many runs had which latency."""

    low_ms: float
    """Where the first bin begins: the shortest latency."""
    bin_ms: float
    """Width of each bin."""
    counts: tuple[int, ...]
    """Runs in each bin; the last holds the ``beyond`` too."""
    beyond: int
    """Runs slower than the last bin's end, far from the others."""

    @property
    def high_ms(self) -> float:
        """Where the last bin ends."""
        return self.low_ms + self.bin_ms * len(self.counts)


def make_histogram(ordered: Sequence[float]) -> Histogram:
    """Count ascending latencies, at least one, in milliseconds."""
    quarter, three = percentile(ordered, 25), percentile(ordered, 75)
    low, high = ordered[0], max(min(three + _FENCE * (three - quarter), ordered[-1]), ordered[0] * 1.001)
    bins = min(_BINS, max(8, round(2.5 * math.sqrt(len(ordered)))))
    step = (high - low) / bins
    counts = [0] * bins
    for value in ordered:
        counts[min(int((value - low) / step), bins - 1)] += 1
    return Histogram(low_ms=low, bin_ms=step, counts=tuple(counts), beyond=sum(value > high for value in ordered))
