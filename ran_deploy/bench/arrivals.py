"""When queries are due: arrivals at random, the same for the same seed."""

import numpy as np

from ran_deploy.bench.loop import NS_PER_S


def arrivals_ns(qps: float, *, duration_s: float, least: int, seed: int) -> list[int]:
    """Draw when queries are due: a Poisson process, that is, independent exponential gaps of mean 1 / ``qps``.

    Args:
        qps: Queries per second.
        duration_s: The last query is the first one due at or after this, in seconds.
        least: Draw at least that many.
        seed: The same seed gives the same arrivals.

    Returns:
        Ascending times in nanoseconds after the start.

    Source: MLPerf Inference, the Server scenario.
    """
    source = np.random.default_rng(seed)
    due_s = np.cumsum(source.exponential(1 / qps, least))
    while due_s[-1] < duration_s:
        more = max(16, round((duration_s - due_s[-1]) * qps))
        due_s = np.concatenate([due_s, due_s[-1] + np.cumsum(source.exponential(1 / qps, more))])
    count = max(least, int(np.searchsorted(due_s, duration_s)) + 1)
    return [round(at * NS_PER_S) for at in due_s[:count].tolist()]
