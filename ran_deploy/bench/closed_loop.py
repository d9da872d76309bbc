"""One query after another: the closed loop of the scenarios sweep, single-stream, multi-stream and offline."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ran_deploy.bench.boundary import Timed
from ran_deploy.bench.loop import NS_PER_MS, NS_PER_S, Span, recorded_loop, without_gc
from ran_deploy.bench.series import Series
from ran_deploy.bench.stop import StopRule

_EXTENSIONS = 8
"""In how many parts the time between the least and the most is used up; the rule is asked after each."""


def measure_closed_loop(
    timed: Timed[Any],
    *,
    batch: int,
    boundary: str,
    warmup_ms: int,
    rule: StopRule,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Series:
    """Warm up, then run until the rule says to stop; the rule's own computing is not timed.

    Args:
        timed: What to run.
        batch: Images of one query.
        boundary: Name of the timed boundary.
        warmup_ms: Least time of untimed runs, in milliseconds; at least one run is made.
        rule: When to stop.
        clock: Nanoseconds since any moment.
    """
    recorded_loop(timed.run, timed.payloads, runs=1, duration_ns=warmup_ms * NS_PER_MS, clock=clock)
    spans: list[Span] = []
    wall_ns = 0
    part_ns = round((rule.most_s - rule.least_s) * NS_PER_S / _EXTENSIONS)
    runs, duration_ns = rule.runs, round(rule.least_s * NS_PER_S)
    with without_gc():
        while True:
            part = recorded_loop(timed.run, timed.payloads, runs=runs, duration_ns=duration_ns, clock=clock)
            spans += part
            wall_ns += part[-1][1] - part[0][0]
            reason = rule.reason([end - start for start, end in spans], wall_ns / NS_PER_S)
            if reason is not None:
                return Series(boundary=boundary, batch=batch, spans=tuple(spans), wall_ns=wall_ns, stop=reason)
            runs, duration_ns = 1, part_ns


def measure_device(
    milliseconds: Callable[[Any], float], timed: Timed[Any], *, batch: int, warmup_ms: int, rule: StopRule
) -> Series:
    """Measure as :func:`measure_closed_loop`, but take each latency from the device's own clock.

    Args:
        milliseconds: Runs a batch and returns the device's time.
        timed: Its payloads.
        batch: Images of one query.
        warmup_ms: Least time of untimed runs, in milliseconds.
        rule: When to stop; it sees the host's times.
    """
    found: list[float] = []
    counted = Timed(lambda payload: found.append(milliseconds(payload)), timed.payloads)
    series = measure_closed_loop(counted, batch=batch, boundary="device", warmup_ms=warmup_ms, rule=rule)
    return replace(series, device_ms=tuple(found[-len(series.spans) :]))  # those before were the warm-up
