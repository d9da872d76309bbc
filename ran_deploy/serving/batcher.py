"""Single requests to batches: an asyncio batcher that any service can use, whatever computes."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.clock import Clock, MonotonicClock
from ran_deploy.serving.dispatch import Dispatcher, Run
from ran_deploy.serving.errors import DeadlineError, QueueFullError, UnavailableError
from ran_deploy.serving.observer import Observer, Outcome
from ran_deploy.serving.pending import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Logits, and how long they took."""

    logits: Logits
    """float32 [N, classes]."""
    queue_s: float
    """From the submission until the computing of the first image began."""
    total_s: float
    """From the submission to the answer."""


class Batcher:
    """Gathers requests into batches for ``run``, in the order in which they came.

    A batch starts when it is full, or when its first request has waited for ``max_delay_s`` and ``run`` is idle.
    While batches are being computed the next is gathered. Belongs to the event loop that it is first used on.

    Args:
        run: Computes a batch.
        max_batch: Most images in a batch; larger requests are split and their logits joined again.
        max_delay_s: How long the first request of a batch waits for others, in seconds.
        queue: Most images that wait, those being computed not counted.
        lone_waits: Whether a request waits for others even if none came in the ``max_delay_s`` before it. Where not,
            a service under light load answers without delay, and the first request of a burst is computed alone.
        concurrency: How many batches ``run`` computes at the same time.
        ahead: How many full batches more are given to ``run`` before it is free, so that it need not wait for them.
        clock: Where time comes from.
        observer: Is told what happens.

    Raises:
        UsageError: ``max_batch``, ``queue`` or ``concurrency`` is less than 1.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_batch: int,
        max_delay_s: float,
        queue: int,
        lone_waits: bool = True,
        concurrency: int = 1,
        ahead: int = 0,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        for name, value in (("max_batch", max_batch), ("queue", queue), ("concurrency", concurrency)):
            check_positive(name, value)
        self._queue = queue
        self._clock = clock or MonotonicClock()
        self._observer = observer or Observer()
        self._dispatcher = Dispatcher(
            run,
            max_batch=max_batch,
            max_delay_s=max_delay_s,
            lone_waits=lone_waits,
            concurrency=concurrency,
            ahead=ahead,
            clock=self._clock,
            observer=self._observer,
        )
        self._admits = True

    @property
    def depth(self) -> int:
        """How many images wait."""
        return self._dispatcher.depth

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
        return (await self.submit_timed(images, deadline=deadline)).logits

    async def submit_timed(self, images: npt.NDArray[Any], *, deadline: float | None = None) -> Answer:
        """Do as :meth:`submit`, and tell how long it took."""
        submitted = self._clock.now()
        try:
            self._check(images, submitted, deadline)
            request = Request(images, submitted, asyncio.get_running_loop().create_future())
            logits = await self._wait(request, deadline)
        except BaseException as error:
            self._observer.failed(_outcome(error))
            raise
        total_s = self._clock.now() - submitted
        self._observer.served(len(images), total_s)
        begun = submitted if request.begun is None else request.begun
        return Answer(logits=logits, queue_s=begun - submitted, total_s=total_s)

    async def drain(self) -> None:
        """Admit nothing more, run what waits without delay, and return when all has been answered."""
        self._admits = False
        await self._dispatcher.finish()

    async def close(self) -> None:
        """Admit nothing more, refuse what waits with UnavailableError, and return when nothing is being computed."""
        self._admits = False
        self._dispatcher.refuse_all(_closed())
        await self._dispatcher.finish()

    async def __aenter__(self) -> Self:
        """Return the batcher itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain the batcher, or close it if an error is on its way."""
        await (self.drain() if kind is None else self.close())

    def _check(self, images: npt.NDArray[Any], now: float, deadline: float | None) -> None:
        if not self._admits:
            raise _closed()
        if images.ndim == 0 or not 1 <= len(images) <= self._queue:
            count = len(images) if images.ndim else "no"
            raise UsageError(
                f"A request has {count} images; expected 1 to {self._queue}.", fix="Send them in several requests."
            )
        if self._dispatcher.depth + len(images) > self._queue:
            raise QueueFullError(
                f"{self._dispatcher.depth} images wait already; {len(images)} more do not fit into the queue of "
                f"{self._queue}.",
                fix="Try again later.",
            )
        if deadline is not None and now >= deadline:
            raise _late()

    async def _wait(self, request: Request, deadline: float | None) -> Logits:
        expiry = None if deadline is None else self._clock.call_at(deadline, lambda: self._expire(request))
        self._dispatcher.add(request)
        try:
            return await request.answer
        finally:
            if expiry is not None:
                expiry.cancel()
            self._dispatcher.remove(request)
            request.answer.cancel()  # what is still being computed has no one to go to
            if not request.answer.cancelled():
                request.answer.exception()  # seen, even if the caller was cancelled in the same moment

    def _expire(self, request: Request) -> None:
        request.refuse(_late())
        self._dispatcher.remove(request)


def _closed() -> UnavailableError:
    return UnavailableError("The service is stopping and takes no more images.", fix="Ask another instance.")


def _late() -> DeadlineError:
    return DeadlineError("The deadline passed before the logits were there.", fix="Allow more time, or send less.")


def _outcome(error: BaseException) -> Outcome:
    kinds: tuple[tuple[type[BaseException], Outcome], ...] = (
        (QueueFullError, "queue_full"),
        (DeadlineError, "deadline"),
        (UnavailableError, "unavailable"),
        (asyncio.CancelledError, "cancelled"),
    )
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), "error")
