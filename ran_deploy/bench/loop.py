"""The timed loop that every measurement shares: run after run, each with its latency."""

import contextlib
import gc
import time
from collections.abc import Iterator

from ran_deploy.bench.inputs import Buffers
from ran_deploy.runtime.session import Session

NS_PER_MS = 1_000_000


def timed_loop(session: Session, buffers: Buffers, *, runs: int, duration_ns: int) -> tuple[list[int], int]:
    """Run until both limits are reached; return each latency and the wall-clock time of all, in nanoseconds."""
    clock, run, count = time.perf_counter_ns, session.run, len(buffers)
    latencies: list[int] = []
    begun = clock()
    while True:
        batch = buffers[len(latencies) % count]
        started = clock()
        run(batch)
        ended = clock()
        latencies.append(ended - started)
        if len(latencies) >= runs and ended - begun >= duration_ns:
            return latencies, ended - begun


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
