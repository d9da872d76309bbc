"""Several worker processes behind one ``run``: watched, replaced when they die, given up when they keep dying."""

import asyncio
import logging
import sys
from typing import Any

import numpy.typing as npt

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.runtime.session import Logits
from ran_deploy.runtime.threads import usable_cpus
from ran_deploy.serving.clock import Clock, MonotonicClock
from ran_deploy.serving.engine import EngineFacts
from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.spec import HostOptions, ModelSpec
from ran_deploy.serving.worker import Order, Worker, WorkerLostError

_LOG = logging.getLogger("ran_deploy.serving")
_TRIES = 2
"""How many workers may die of a batch before it is refused: it may be what they die of."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


class _Seat:
    """A worker's place in the pool, and who sits there."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.ended = asyncio.Event()
        self.failures = 0
        """In a row, without a good batch between."""
        self.trouble = ""
        """Why nobody could be found for it, the last time."""
        self.given_up = ""
        """Why the place stays empty."""


class WorkerPool:
    """Worker processes that have one engine open each. A :class:`~ran_deploy.serving.backend.Backend`.

    Args:
        spec: The engine.
        options: How many workers, the largest batch, and how often one may fail in a row.
        observer: Is told of workers that start and that are lost.
        clock: What a batch's time is told by; None: this machine's.

    Raises:
        UsageError: This system cannot hand sockets and memory to child processes.
    """

    def __init__(self, spec: ModelSpec, options: HostOptions, observer: Observer, clock: Clock | None = None) -> None:
        if sys.platform == "win32":
            raise UsageError("Worker processes need a POSIX system.", fix="Serve with --workers 0.")
        self._spec = spec
        self._options = options
        self._observer = observer
        self._clock = clock or MonotonicClock()
        self.concurrency = options.workers
        # With several, a batch given ahead could wait for a busy one while another is idle.
        self.ahead = 1 if options.workers == 1 else 0
        threads = spec.threads or max(1, usable_cpus() // options.workers)
        self._order = Order(spec=spec, threads=threads, max_batch=options.max_batch, hang_s=options.hang_s)
        self._seats = [_Seat() for _ in range(options.workers)]
        self._watchers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._facts: EngineFacts | None = None

    @property
    def failure(self) -> str:
        """Why no worker is left, in a sentence; empty while one works or may come back."""
        reasons = [seat.given_up for seat in self._seats]
        return reasons[0] if all(reasons) else ""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that work now."""
        return tuple(seat.worker.pid for seat in self._seats if seat.worker is not None)

    async def start(self) -> EngineFacts:
        """Start all workers at once.

        Raises:
            RanDeployError: One cannot open or run the engine; the others are ended again.
        """
        starts = [asyncio.ensure_future(self._seat_worker(seat)) for seat in self._seats]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.close()
            raise
        self._watchers = [asyncio.ensure_future(self._watch(seat)) for seat in self._seats]
        return self._known_facts()

    async def run(self, images: npt.NDArray[Any]) -> Logits:
        """Compute a batch on the least busy worker; when one dies of it, or meanwhile, on another.

        A worker whose engine fails is replaced: after a fault on a GPU, for one, all its batches would fail.

        Raises:
            UnavailableError: Two workers died of the batch, or no worker is left.
            RanDeployError: The engine failed.
        """
        tries = 0
        while tries < _TRIES:
            seat, worker = await self._least_busy()
            try:
                logits = await worker.run(images)
            except WorkerLostError as lost:
                tries += lost.computing
            except RanDeployError as error:
                if error.exit_code == RanDeployError.exit_code:
                    worker.kill()
                raise
            else:
                seat.failures = 0
                return logits
            finally:
                self._change()  # it has room again, or is gone
        raise UnavailableError(
            f"{_TRIES} worker processes ended while they computed this batch.", fix="Look into the service's log."
        )

    async def close(self) -> None:
        """End all workers, and the watch over them; batches that they have are refused."""
        for watcher in self._watchers:
            watcher.cancel()
        for seat in self._seats:
            seat.given_up = "it is closed."
        self._change()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        workers = [seat.worker for seat in self._seats if seat.worker is not None]
        await asyncio.gather(*(worker.close() for worker in workers))
        for seat in self._seats:
            seat.worker = None

    async def _least_busy(self) -> tuple[_Seat, Worker]:
        while True:
            if self.failure:
                raise UnavailableError(f"{self._spec.name} cannot answer: {self.failure}", fix="Reload the model.")
            with_room = [(seat, seat.worker) for seat in self._seats if seat.worker and seat.worker.has_room]
            if with_room:
                return min(with_room, key=lambda pair: pair[1].load)
            await self._changed.wait()

    async def _seat_worker(self, seat: _Seat) -> None:
        """Start a worker for a place, and check that it has the same file open as the others."""
        seat.ended.clear()
        worker = await Worker.start(self._order, seat.ended.set, self._clock)
        self._facts = self._facts or worker.facts
        if worker.facts.info.sha256 != self._facts.info.sha256:
            await worker.close()
            raise IntegrityError(
                f"{self._spec.path} was replaced while it is served: a worker that had to be restarted would answer "
                "from another file than before.",
                fix="Reload the model.",
            )
        seat.worker = worker
        self._observer.worker_started()
        self._change()

    async def _watch(self, seat: _Seat) -> None:
        """Replace the worker of a place whenever it ends, until it has failed too often in a row."""
        while not seat.given_up:
            await seat.ended.wait()
            reason = seat.trouble
            if seat.worker is not None:
                worker, seat.worker = seat.worker, None
                reason = f"ended with status {await worker.close()}"
                if worker.hung:
                    reason = f"computed one batch for more than {self._options.hang_s:g} s and was killed"
                self._observer.worker_lost()
            seat.failures += 1
            _LOG.warning("worker lost", extra={"fields": {"model": self._spec.name, "reason": reason}})
            if seat.failures > self._options.restarts:
                seat.given_up = f"a worker process {reason}, after {seat.failures} failures in a row."
            else:
                await self._replace(seat)
        _LOG.error("worker given up", extra={"fields": {"model": self._spec.name, "reason": seat.given_up}})
        self._change()

    async def _replace(self, seat: _Seat) -> None:
        if seat.failures > 1:  # the first time without delay
            await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**seat.failures))
        try:
            await self._seat_worker(seat)
        except IntegrityError as error:
            seat.given_up = error.message
        except Exception as error:  # whatever it is: the watch goes on
            seat.trouble = f"could not be started again ({str(error).rstrip('.')})"
            seat.ended.set()

    def _change(self) -> None:
        """Wake those who wait for a worker."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _known_facts(self) -> EngineFacts:
        if self._facts is None:
            raise RanDeployError("No worker has been started.")
        return self._facts
