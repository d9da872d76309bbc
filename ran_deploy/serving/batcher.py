"""Single requests to batches: an asyncio batcher that any service can use, whatever computes."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from ran_deploy.runtime.session import Logits
from ran_deploy.serving.clock import Clock, MonotonicClock
from ran_deploy.serving.observer import Observer, Silent

Run = Callable[[npt.NDArray[Any]], Awaitable[Logits]]
"""Computes the logits [N, classes] of images [N, ...]."""


class Batcher:
    """Gathers requests into batches for ``run``, in the order in which they came.

    A batch starts when it is full, or when its first request has waited for ``max_delay_s`` and ``run`` is idle.
    While batches are being computed the next is gathered. Belongs to the event loop that it is first used on.

    Args:
        run: Computes a batch.
        max_batch: Most images in a batch; larger requests are split and their logits joined again.
        max_delay_s: How long the first request of a batch waits for others, in seconds.
        queue: Most images that wait, those being computed not counted.
        concurrency: How many batches ``run`` computes at the same time.
        ahead: How many full batches more are given to ``run`` before it is free, so that it need not wait for them.
        clock: Where time comes from.
        observer: Is told what happens.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_batch: int,
        max_delay_s: float,
        queue: int,
        concurrency: int = 1,
        ahead: int = 0,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._run = run
        self._clock = clock or MonotonicClock()
        self._observer = observer or Silent()

    async def submit(self, images: npt.NDArray[Any], *, deadline: float | None = None) -> Logits:
        """Return the logits, float32 [N, classes], of images [N, ...].

        A caller that is cancelled leaves the queue; the others of its batch do not notice.

        Args:
            images: At least one image, at most as many as the queue holds.
            deadline: When to give up, as the clock (:func:`time.monotonic`) tells it; None: wait.

        Raises:
            QueueFullError: So many images wait that these do not fit.
            DeadlineError: The deadline has passed; what was still waiting is not run.
            UnavailableError: The batcher is draining or closed.
            UsageError: There is no image, or more than could ever wait.
            Exception: What ``run`` raised, if it raised for the batch that these images were in.
        """
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """How many images wait."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Admit nothing more, run what waits without delay, and return when all has been answered."""
        raise NotImplementedError

    async def close(self) -> None:
        """Admit nothing more, refuse what waits with UnavailableError, and return when nothing is being computed."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Return the batcher itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain the batcher, or close it if an error is on its way."""
        await (self.drain() if kind is None else self.close())
