"""The highest rate of arrivals whose 99th percentile still holds: a bisection with a stated number of trials."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ran_deploy.bench.arrivals import arrivals_ns
from ran_deploy.bench.series import Series
from ran_deploy.bench.statistics import minimum_samples, percentile

PERCENT = 99
CONFIRMATIONS = 8
"""How many rates are tried at most to confirm the outcome."""
STEP = 0.93
"""The rate of a confirmation over that of the one before, which failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rate that was tried."""

    qps: float
    queries: int
    """Queries that were served; fewer than planned if the outcome was clear before."""
    p99_ms: float | None
    """None if the trial was given up: at least 1% of the planned queries were late."""
    held: bool
    confirms: bool
    """Whether this trial confirms the outcome, with other arrivals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The outcome of a search."""

    slo_ms: float
    max_qps: float | None
    """The rate that was found and confirmed; None: none holds."""
    ceiling_qps: float
    """Where the search began: 1.25 times what the engine does one query after another, times the workers."""
    resolution_qps: float
    """How finely the rates were told apart."""
    trials: tuple[Trial, ...]
    rule: str


Serve = Callable[[list[int], Callable[[float], bool]], Series]
"""Serves queries that are due at given times, giving up when told to."""


def find_max_qps(
    serve: Serve,
    *,
    slo_ms: float,
    ceiling_qps: float,
    trials: int,
    duration_s: float,
    iterations: int,
    seed: int,
    after_trial: Callable[[Trial], None] = lambda _: None,
) -> tuple[Search, Series | None]:
    """Search the highest rate at which the 99th percentile of the latency is at most ``slo_ms``.

    Bisection between 0 and ``ceiling_qps``; each trial has arrivals of its own. Because the rate found is the
    luckiest of several, it is tried once more with other arrivals, and lowered by 7% until it holds again.

    Args:
        serve: Serves a schedule of arrivals.
        slo_ms: What 99% of the queries may need at most, in milliseconds.
        ceiling_qps: A rate that surely does not hold.
        trials: How often to halve the interval.
        duration_s: Least time of a trial, in seconds.
        iterations: Least number of queries of a trial; it is raised to what the percentile needs.
        seed: Seed of the first trial; each further one adds one.
        after_trial: Called after each trial, for progress.

    Returns:
        The search, and the confirming measurement at the rate found; None if no rate held.
    """
    found: list[Trial] = []
    least = max(iterations, minimum_samples(PERCENT))

    def attempt(qps: float, *, confirms: bool) -> Series:
        due_ns = arrivals_ns(qps, duration_s=duration_s, least=least, seed=seed + len(found))
        late = _Late(slo_ms, len(due_ns))
        series = serve(due_ns, late)
        trial = _judge(series, qps, slo_ms, gave_up=late.too_many, confirms=confirms)
        found.append(trial)
        after_trial(trial)
        return series

    low, high = 0.0, ceiling_qps
    for _ in range(trials):
        middle = (low + high) / 2
        attempt(middle, confirms=False)
        low, high = (middle, high) if found[-1].held else (low, middle)
    best: float | None = None
    last: Series | None = None
    for number in range(CONFIRMATIONS if low > 0 else 0):
        last = attempt(low * STEP**number, confirms=True)
        if found[-1].held:
            best = found[-1].qps
            break
    search = Search(
        slo_ms=slo_ms,
        max_qps=best,
        ceiling_qps=ceiling_qps,
        resolution_qps=ceiling_qps / 2**trials,
        trials=tuple(found),
        rule=f"bisection with {trials} trials of at least {least} queries each, then confirmed with other arrivals, "
        f"7% lower each time that fails; a rate holds if the 99th percentile is at most {slo_ms:g} ms",
    )
    return search, last if best is not None else None


class _Late:
    """Counts late queries; once more than 1% of all are late, the percentile cannot hold any more."""

    def __init__(self, slo_ms: float, planned: int) -> None:
        self._slo_ms, self._allowed = slo_ms, planned - math.ceil(planned * PERCENT / 100)
        self._late = 0

    @property
    def too_many(self) -> bool:
        return self._late > self._allowed

    def __call__(self, latency_ms: float) -> bool:
        self._late += latency_ms > self._slo_ms
        return self.too_many


def _judge(series: Series, qps: float, slo_ms: float, *, gave_up: bool, confirms: bool) -> Trial:
    latencies = sorted(series.latencies_ms)
    enough = len(latencies) >= minimum_samples(PERCENT)
    p99 = percentile(latencies, PERCENT) if enough and not gave_up else None
    return Trial(qps=qps, queries=len(latencies), p99_ms=p99, held=p99 is not None and p99 <= slo_ms, confirms=confirms)
