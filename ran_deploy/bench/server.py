"""The server scenario: images arrive at random, whether or not the engine is ready for them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ran_deploy.bench.boundary import Timed
from ran_deploy.bench.loop import NS_PER_S, Span, without_gc
from ran_deploy.bench.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Where time comes from; tests bring their own."""

    now_ns: Callable[[], int] = time.perf_counter_ns
    sleep_s: Callable[[float], object] | None = None
    """None: wait in a way that the end of the measurement cuts short."""


def serve(
    timed: Timed[Any],
    due_ns: list[int],
    *,
    workers: int,
    most_s: float,
    boundary: str,
    give_up: Callable[[float], bool] = lambda _: False,
    timer: Timer | None = None,
) -> Series:
    """Serve queries that are due at given times, first come first served; each worker runs one at a time.

    A query waits while all workers are busy, and its latency counts from when it was due: what a user would feel.

    Args:
        timed: What one query runs.
        due_ns: When each query is due, ascending, in nanoseconds after the start.
        workers: Threads that serve.
        most_s: Stop after this time, in seconds, though queries remain: the queue then only grows.
        boundary: Name of the timed boundary.
        give_up: Told each latency in milliseconds; True: stop, the outcome is clear.
        timer: Where time comes from; None: this machine's clock.
    """
    line = _Line(timed, due_ns, most_s, give_up, timer or Timer())
    threads = [threading.Thread(target=line.work, daemon=True) for _ in range(workers)]
    with without_gc():
        try:
            for thread in threads:
                thread.start()
            line.wait(workers)
        except BaseException:
            # Ctrl-C: a runtime that still computes when the process ends would abort it.
            line.closed.set()
            line.wait(sum(thread.ident is not None for thread in threads))
            raise
    if line.failure is not None:
        raise line.failure
    served = sorted(line.served)
    spans = tuple(span for _, span in served)
    begun = line.begun_ns
    return Series(
        boundary=boundary,
        batch=1,
        spans=spans,
        due_ns=tuple(begun + due_ns[place] for place, _ in served),
        schedule_ns=due_ns[-1],
        scheduled=len(due_ns),
        wall_ns=max((end for _, end in spans), default=begun) - begun,
        stop=line.reason or f"all {len(due_ns):,} queries of the schedule were served",
    )


class _Line:
    """The queue: workers take the next query in turn, wait until it is due, and run it."""

    def __init__(
        self, timed: Timed[Any], due_ns: list[int], most_s: float, give_up: Callable[[float], bool], timer: Timer
    ) -> None:
        self._timed, self._due_ns, self._give_up, self._timer = timed, due_ns, give_up, timer
        self._most_s = most_s
        self._lock = threading.Lock()
        self._next = 0
        self.begun_ns = timer.now_ns()
        self.served: list[tuple[int, Span]] = []
        self.closed = threading.Event()
        self._left: list[int] = []
        self._leaving = threading.Semaphore(0)
        self.reason = ""
        self.failure: Exception | None = None

    def work(self) -> None:
        """Serve until no query is left."""
        try:
            while (place := self._take()) is not None:
                self._serve(place)
        except Exception as error:
            self.failure = error  # raised again in the thread that waits
            self.closed.set()
        finally:
            self._left.append(threading.get_ident())
            self._leaving.release()

    def wait(self, workers: int) -> None:
        """Wait until so many workers have left, also if it was interrupted before.

        ``Thread.join`` would not do: interrupted once, it takes a thread for ended that is not (Python 3.11).
        """
        while len(self._left) < workers:
            self._leaving.acquire(timeout=1)  # an interruption may have taken one that was not seen

    def _take(self) -> int | None:
        with self._lock:
            place = self._next
            if self.closed.is_set() or place >= len(self._due_ns):
                return None
            if place > 0 and self._timer.now_ns() - self.begun_ns > self._most_s * NS_PER_S:
                left = len(self._due_ns) - place
                self.reason = f"the most time, {self._most_s:g} s, was used up with {left:,} queries still to serve"
                self.closed.set()
                return None
            self._next += 1
            return place

    def _serve(self, place: int) -> None:
        timer = self._timer
        due_ns = self.begun_ns + self._due_ns[place]
        wait_ns = due_ns - timer.now_ns()
        if wait_ns > 0:
            (timer.sleep_s or self.closed.wait)(wait_ns / NS_PER_S)
            if self.closed.is_set():
                return
        payloads = self._timed.payloads
        started = timer.now_ns()
        self._timed.run(payloads[place % len(payloads)])
        ended = timer.now_ns()
        with self._lock:
            self.served.append((place, (started, ended)))
            if not self.closed.is_set() and self._give_up((ended - due_ns) / 1e6):
                self.reason = "given up: too many queries were late already"
                self.closed.set()
