"""Plain runs and profiled runs in turn, so that what a shared machine does meanwhile hits both alike."""

import statistics
from dataclasses import dataclass

from ran_deploy.bench.inputs import Buffers
from ran_deploy.bench.loop import NS_PER_MS, timed_loop, without_gc
from ran_deploy.profiling.roofline import Roofline, RooflineMeter
from ran_deploy.profiling.sample import KernelTime, Profiler, median_sample, only_run, typical_sample
from ran_deploy.progress import Progress
from ran_deploy.runtime.session import Session

_ROUNDS = 5
_WARMUP = 3
_SETTLE_MS = 100
_PROBE_S = 0.08
_NS_PER_US = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The times of an engine at one batch size."""

    run_us: float
    """Median wall-clock time of a plain run, in microseconds."""
    fastest_run_us: float
    """The fastest plain run, in microseconds."""
    median: tuple[KernelTime, ...]
    """Each kernel with its median time."""
    typical: tuple[KernelTime, ...]
    """One run whose total is the median."""
    roofline: Roofline | None
    """The machine's; None where the engine does not run on the CPU."""


def measure(session: Session, profiler: Profiler, buffers: Buffers, *, iterations: int) -> Measured:
    """Time whole runs of a session, single kernels of its like, and what the machine can do at best.

    Args:
        session: The engine as a user runs it.
        profiler: Opens the same engine under a profiler.
        buffers: Batches to feed in turn.
        iterations: Least number of runs of each kind, over all rounds.

    Raises:
        MissingError: A package is missing.
    """
    runs = -(-iterations // _ROUNDS)
    meter = RooflineMeter(session.info.threads) if session.info.device == "cpu" else None
    latencies_ns: list[int] = []
    samples: list[tuple[KernelTime, ...]] = []
    with Progress("profile", 2 * _ROUNDS, "turns") as progress:
        for _ in range(_ROUNDS):
            if meter is not None:
                meter.probe(_PROBE_S)
            # Untimed at first: what ran before has left its data in the caches and may have threads that still spin.
            timed_loop(session, buffers, runs=_WARMUP, duration_ns=_SETTLE_MS * NS_PER_MS)
            with without_gc():
                turn_ns, _ = timed_loop(session, buffers, runs=runs, duration_ns=0)
            latencies_ns.extend(turn_ns)
            progress.advance(1)
            samples.extend(profiler.sample(buffers, warmup=_WARMUP, runs=runs))
            progress.advance(1)
    samples = only_run(samples)
    return Measured(
        run_us=statistics.median(latencies_ns) / _NS_PER_US,
        fastest_run_us=min(latencies_ns) / _NS_PER_US,
        median=median_sample(samples),
        typical=typical_sample(samples),
        roofline=None if meter is None else meter.result(),
    )
