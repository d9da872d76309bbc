"""A clock that is turned by hand, computing that ends when it is told to, and an observer that remembers."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.runtime.session import Logits
from ran_deploy.serving.observer import Observer, Outcome


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop go on until something holds."""
    while not condition():
        await asyncio.sleep(0.001)


class HandTimer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    def __init__(self) -> None:
        self._now = 1000.0
        self._timers: list[HandTimer] = []

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(when, callback)
        self._timers.append(timer)
        return timer

    @property
    def waiting(self) -> list[HandTimer]:
        return [timer for timer in self._timers if not timer.cancelled]

    async def advance(self, seconds: float) -> None:
        """Turn the clock, and call what is due on the way, in its order."""
        end = self._now + seconds
        while due := sorted((timer for timer in self.waiting if timer.when <= end), key=lambda timer: timer.when):
            self._now = max(self._now, due[0].when)
            self._timers.remove(due[0])
            due[0].callback()
            await settle()
        self._now = end
        await settle()


def images_of(*values: int) -> npt.NDArray[np.uint8]:
    """Make one small image of each value."""
    return np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)


def logits_of(*values: int) -> Logits:
    """Return what :class:`Computing` answers for :func:`images_of` the same values."""
    return np.array(values, dtype=np.float32)[:, None] * np.array([1, 2], dtype=np.float32)


class Computing:
    """Computes batches that it is given, each when it is told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        """The values of the images of each batch, in the order in which they came."""
        self._ends: list[asyncio.Future[None]] = []

    async def __call__(self, images: npt.NDArray[Any]) -> Logits:
        values = tuple(int(value) for value in images.reshape(len(images), -1)[:, 0])
        self.batches.append(values)
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        await end
        return logits_of(*values)

    async def end(self, batch: int, error: Exception | None = None) -> None:
        """Let a batch end, by its place among all."""
        if error is None:
            self._ends[batch].set_result(None)
        else:
            self._ends[batch].set_exception(error)
        await settle()


class Remembering(Observer):
    def __init__(self) -> None:
        self.depths: list[int] = []
        self.queue_seconds: list[float] = []
        self.batches: list[tuple[int, float]] = []
        self.answers: list[tuple[int, float]] = []
        self.failures: list[Outcome] = []
        self.started = 0
        self.lost = 0

    def queue_depth(self, images: int) -> None:
        self.depths.append(images)

    def queued(self, seconds: float) -> None:
        self.queue_seconds.append(seconds)

    def computed(self, images: int, seconds: float) -> None:
        self.batches.append((images, seconds))

    def served(self, images: int, seconds: float) -> None:
        self.answers.append((images, seconds))

    def failed(self, outcome: Outcome) -> None:
        self.failures.append(outcome)

    def worker_started(self) -> None:
        self.started += 1

    def worker_lost(self) -> None:
        self.lost += 1
