"""Several engines measured in turn, A B C A B C …, so that drift of a shared machine hits all alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ran_deploy.bench.inputs import Buffers
from ran_deploy.bench.loop import NS_PER_MS, timed_loop, without_gc
from ran_deploy.bench.statistics import percentile
from ran_deploy.runtime.session import Session

SETTLE_MS = 100
"""Least untimed time at the start of each turn: the threads of the engine before still spin for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """What one engine did at one batch size, round by round."""

    batch: int
    runs: int
    """Timed runs in all."""
    p50_ms: float
    """Median of all latencies, by :data:`ran_deploy.bench.statistics.PERCENTILE_RULE`."""
    images_per_s: float
    """Images over the wall-clock time of all turns."""
    round_p50_ms: tuple[float, ...]
    round_images_per_s: tuple[float, ...]


def measure_in_rounds(
    engines: Sequence[tuple[Session, Buffers]],
    *,
    rounds: int,
    turn_s: float,
    settle_ms: int,
    alternate: bool = False,
    after_turn: Callable[[], None] = lambda: None,
    more: Callable[[list["Rounds"]], int] = lambda _: 0,
) -> list[Rounds]:
    """Measure opened engines in turn.

    Args:
        engines: Sessions, each with the batches that it is fed, of one size.
        rounds: How often each engine has its turn.
        turn_s: Least timed time of a turn, in seconds; at least one run is timed.
        settle_ms: Least untimed time before that, in milliseconds; at least one run is made.
        alternate: Turn the order round in every second round, A B B A, so that no engine gains by a drift within a
            round or by coming first.
        after_turn: Called after each turn, for progress.
        more: Given what all rounds so far have shown, says how many rounds are to follow; 0 ends the measurement.

    Returns:
        One result for each engine, in their order.
    """
    latencies_ms: list[list[list[float]]] = [[] for _ in engines]
    walls_s: list[list[float]] = [[] for _ in engines]
    places = range(len(engines))
    number = 0
    while number < rounds:
        for place in reversed(places) if alternate and number % 2 else places:
            session, buffers = engines[place]
            timed_loop(session, buffers, runs=1, duration_ns=settle_ms * NS_PER_MS)
            with without_gc():
                turn_ns, wall_ns = timed_loop(session, buffers, runs=1, duration_ns=round(turn_s * 1000 * NS_PER_MS))
            latencies_ms[place].append([latency / NS_PER_MS for latency in turn_ns])
            walls_s[place].append(wall_ns / NS_PER_MS / 1000)
            after_turn()
        number += 1
        if number == rounds:
            found = [
                _summarize(len(buffers[0]), turns, walls)
                for (_, buffers), turns, walls in zip(engines, latencies_ms, walls_s, strict=True)
            ]
            rounds += more(found)
    return found


def _summarize(batch: int, turns_ms: list[list[float]], walls_s: list[float]) -> Rounds:
    together = sorted(latency for turn in turns_ms for latency in turn)
    return Rounds(
        batch=batch,
        runs=len(together),
        p50_ms=percentile(together, 50),
        images_per_s=batch * len(together) / sum(walls_s),
        round_p50_ms=tuple(percentile(sorted(turn), 50) for turn in turns_ms),
        round_images_per_s=tuple(batch * len(turn) / wall for turn, wall in zip(turns_ms, walls_s, strict=True)),
    )
