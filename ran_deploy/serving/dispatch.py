"""When a batch starts, what is in it, and who gets which rows of its logits."""

import asyncio
import collections
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.clock import Clock, Timer
from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.pending import Line, Piece, Request

Run = Callable[[npt.NDArray[Any]], Awaitable[Logits]]
"""Computes the logits [N, classes] of images [N, ...]."""


@dataclass(slots=True, eq=False)
class _Batch:
    pieces: list[Piece]
    begun: float | None = None
    """When ``run`` was free for it; None: it was given ahead of its turn."""


class Dispatcher:
    """Starts batches from a line of requests: at most ``concurrency`` at the same time, and ``ahead`` full ones more.

    The arguments are those of :class:`~ran_deploy.serving.batcher.Batcher`.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_batch: int,
        max_delay_s: float,
        lone_waits: bool,
        concurrency: int,
        ahead: int,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_delay_s = max_delay_s
        self._lone_waits = lone_waits
        self._last_came = -math.inf
        self._concurrency = concurrency
        self._ahead = ahead
        self._clock = clock
        self._observer = observer
        self._line = Line(max_batch)
        self._timer: Timer | None = None
        self._timer_for: Piece | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._early: collections.deque[_Batch] = collections.deque()
        self._hurries = False

    @property
    def depth(self) -> int:
        """How many images wait."""
        return self._line.depth

    def add(self, request: Request) -> None:
        """Let a request wait for its batch."""
        # None came for as long as it would wait: then none is to be expected meanwhile either.
        lone = request.submitted - self._last_came >= self._max_delay_s
        self._last_came = request.submitted
        request.due = request.submitted + (self._max_delay_s if self._lone_waits or not lone else 0.0)
        self._line.push(request)
        self._pump()

    def remove(self, request: Request) -> None:
        """Take out what still waits of a request that has ended."""
        before = self._line.depth
        self._line.withdraw(request)
        if self._line.depth != before:
            self._pump()

    def refuse_all(self, error: Exception) -> None:
        """Refuse every request that waits."""
        for request in self._line.requests():
            request.refuse(error)
            self._line.withdraw(request)
        self._pump()

    async def finish(self) -> None:
        """Start what waits without delay, now and from now on, and return when nothing is left."""
        self._hurries = True
        self._pump()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _pump(self) -> None:
        """Start the batches that can start now, and see to it that the next is started in time."""
        while self._line.depth and self._may_start():
            self._start(_Batch(self._line.take()))
        self._observer.queue_depth(self._line.depth)
        # While all is busy no timer is needed: what ends pumps.
        self._set_timer(self._line.head if self._busy < self._concurrency else None)

    def _may_start(self) -> bool:
        # So many images either make a full batch, or one of them does not fit into it any more.
        full = self._line.depth >= self._max_batch
        if self._busy >= self._concurrency:
            return full and self._busy < self._concurrency + self._ahead
        head = self._line.head
        return full or self._hurries or (head is not None and self._clock.now() >= head.request.due)

    def _set_timer(self, head: Piece | None) -> None:
        if head is self._timer_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_for = head
        self._timer = None if head is None else self._clock.call_at(head.request.due, self._fire)

    def _fire(self) -> None:
        self._timer_for = None  # an event loop may call a trifle early: then a short timer follows
        self._pump()

    def _start(self, batch: _Batch) -> None:
        if self._busy < self._concurrency:
            self._begin(batch)
        else:
            self._early.append(batch)
        self._busy += 1
        task = asyncio.get_running_loop().create_task(self._compute(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, batch: _Batch) -> None:
        """Note that ``run`` is free for a batch now."""
        batch.begun = self._clock.now()
        for piece in batch.pieces:
            if piece.request.begun is None:
                piece.request.begun = batch.begun
                self._observer.queued(batch.begun - piece.request.submitted)

    async def _compute(self, batch: _Batch) -> None:
        try:
            images = [piece.images for piece in batch.pieces]
            self._deliver(batch, await self._run(images[0] if len(images) == 1 else np.concatenate(images)))
        except asyncio.CancelledError:  # the event loop is being shut down
            error = UnavailableError("The service was stopped while it computed.", fix="Ask again.")
            self._fail(batch, error)
            self.refuse_all(error)
            raise
        except Exception as error:  # whatever computes may raise anything; it is the callers' to see
            self._fail(batch, error)
        finally:
            self._busy -= 1
            if batch.begun is None:
                self._early.remove(batch)
            elif self._early:
                self._begin(self._early.popleft())
            self._pump()

    def _deliver(self, batch: _Batch, logits: Logits) -> None:
        count = sum(len(piece.images) for piece in batch.pieces)
        if len(logits) != count:
            raise RanDeployError(f"A batch of {count} images came back with {len(logits)} rows of logits.")
        if batch.begun is not None:
            self._observer.computed(count, self._clock.now() - batch.begun)
        start = 0
        for piece in batch.pieces:
            piece.logits = logits[start : start + len(piece.images)]
            start += len(piece.images)
            piece.request.accept()

    def _fail(self, batch: _Batch, error: Exception) -> None:
        for piece in batch.pieces:
            piece.request.refuse(error)
            self._line.withdraw(piece.request)  # its other pieces would be computed for nothing
