"""The timed loop that every measurement shares: run after run, each with its start and its end."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from ran_deploy.bench.inputs import Buffers
from ran_deploy.runtime.session import Session

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

Span: TypeAlias = tuple[int, int]
"""Start and end of one run, in nanoseconds of ``time.perf_counter_ns``."""
Payload = TypeVar("Payload")


def recorded_loop(
    run: Callable[[Payload], object],
    payloads: Sequence[Payload],
    *,
    runs: int,
    duration_ns: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> list[Span]:
    """Run with the payloads in turn until both limits are reached; return when each run started and ended."""
    count = len(payloads)
    spans: list[Span] = []
    while True:
        payload = payloads[len(spans) % count]
        started = clock()
        run(payload)
        ended = clock()
        spans.append((started, ended))
        if len(spans) >= runs and ended - spans[0][0] >= duration_ns:
            return spans


def timed_loop(session: Session, buffers: Buffers, *, runs: int, duration_ns: int) -> tuple[list[int], int]:
    """Run until both limits are reached; return each latency and the wall-clock time of all, in nanoseconds."""
    spans = recorded_loop(session.run, buffers, runs=runs, duration_ns=duration_ns)
    return [ended - started for started, ended in spans], spans[-1][1] - spans[0][0]


@contextlib.contextmanager
def without_gc() -> Iterator[None]:
    """Collect garbage before, not during; leave the collector as it was."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
