"""Intervals for latencies that depend on their neighbours: the circular block bootstrap."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ran_deploy.bench.statistics import nearest_rank

Floats: TypeAlias = npt.NDArray[np.float64]
"""float64 [N] or [M, N]."""

RULE = "95%, from 1,000 resamples of blocks of neighbouring runs (circular block bootstrap, seed 20)"
MINIMUM = 30
"""Fewer samples hold too few blocks."""
_RESAMPLES = 1000
_SEED = 20
_CHUNK = 1_000_000
"""Samples that are drawn at once, to bound the memory."""
_WORK = 40_000_000
"""Samples that are drawn at most for one interval; long series get fewer resamples, but at least 200."""


def block_length(values: Floats) -> int:
    """Choose how many neighbours to resample together.

    Twice the first lag at which the autocorrelation is within noise (2/√N), at least the cube root of N, at most a
    tenth of N. Source: the idea of D. N. Politis and H. White, "Automatic Block-Length Selection for the Dependent
    Bootstrap" (2004), in its simplest form.
    """
    count = len(values)
    least = max(1, math.ceil(math.cbrt(count)))
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * count)
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: count // 10 + 1]
    if correlation[0] <= 0:
        return least
    quiet = np.flatnonzero(correlation / correlation[0] < 2 / np.sqrt(count))
    lag = int(quiet[0]) if len(quiet) else count // 10
    return int(np.clip(2 * lag, least, max(least, count // 10)))


def bootstrap_interval(values: Sequence[float], statistic: Callable[[Floats], Floats]) -> tuple[float, float] | None:
    """Return the 95% interval of a statistic of a series, in the order of measurement; None below 30 samples.

    Args:
        values: One number for each run.
        statistic: Computes what is of interest from each row: float64 [M, N] to [M].

    Source: D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data" (1992);
    percentile intervals. The resamples are drawn with a fixed seed: the same series has the same interval.
    """
    series = np.asarray(values, np.float64)
    count = len(series)
    if count < MINIMUM:
        return None
    length = block_length(series)
    blocks = -(-count // length)
    doubled = np.concatenate([series, series[:length]])
    inside = np.arange(length)
    source = np.random.default_rng(_SEED)
    resamples = int(np.clip(_WORK // count, 200, _RESAMPLES))
    rows = max(1, _CHUNK // count)
    found = []
    for first in range(0, resamples, rows):
        starts = source.integers(0, count, (min(rows, resamples - first), blocks, 1))
        found.append(statistic(doubled[starts + inside].reshape(len(starts), -1)[:, :count]))
    low, high = np.percentile(np.concatenate(found), (2.5, 97.5))
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95% interval of the mean of a series; None below 30 samples."""
    return bootstrap_interval(values, lambda drawn: drawn.mean(axis=1))


def percentile_bootstrap(values: Sequence[float], percent: float) -> tuple[float, float] | None:
    """Return the 95% interval of a percentile (nearest rank) of a series; None below 30 samples."""
    place = nearest_rank(len(values), percent) - 1
    return bootstrap_interval(values, lambda drawn: np.partition(drawn, place, axis=1)[:, place])
