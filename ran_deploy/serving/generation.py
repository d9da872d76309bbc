"""One opened engine in service: what computes for it, its batcher, and the requests that still count on it."""

import asyncio
from typing import Any, Self

import numpy.typing as npt

from ran_deploy.runtime.session import check_batch
from ran_deploy.serving.backend import Backend, ThreadBackend
from ran_deploy.serving.batcher import Answer, Batcher
from ran_deploy.serving.engine import EngineFacts
from ran_deploy.serving.gate import Gate
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.spec import HostOptions, ModelSpec
from ran_deploy.serving.workers import WorkerPool


class Generation:
    """An engine from its opening to its end; a reload puts another one in its place. Made by :meth:`open`."""

    def __init__(self, backend: Backend, facts: EngineFacts, options: HostOptions, observer: Observer) -> None:
        self._backend = backend
        self.facts = facts
        self.max_batch = min(options.max_batch, facts.max_batch or options.max_batch)
        self._batcher = Batcher(
            backend.run,
            max_batch=self.max_batch,
            max_delay_s=options.max_delay_s,
            lone_waits=options.lone_waits,
            queue=options.queue,
            concurrency=backend.concurrency,
            ahead=backend.ahead,
            observer=observer,
        )
        self.gate = Gate()
        """Holds the requests that count on the engine, from their admission to their answer."""

    @classmethod
    async def open(cls, spec: ModelSpec, options: HostOptions, observer: Observer) -> Self:
        """Open an engine, check it by its manifest, and run it once.

        Raises:
            RanDeployError: It cannot be opened or run; nothing is left behind.
        """
        backend = WorkerPool(spec, options, observer) if options.workers else ThreadBackend(spec)
        return cls(backend, await backend.start(), options, observer)

    @property
    def failure(self) -> str:
        """Why it cannot answer any more, in a sentence; empty while it can."""
        return self._backend.failure

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that it has now."""
        return self._backend.pids

    async def infer(self, images: npt.NDArray[Any], deadline: float | None) -> Answer:
        """Return the logits of images, and how long they took; see :meth:`ran_deploy.serving.host.ModelHost.infer`."""
        check_batch(images, self.facts.contract.input)
        return await self._batcher.submit_timed(images, deadline=deadline)

    async def retire(self) -> None:
        """Free the engine once no request counts on it."""
        await self.gate.emptied(None)
        await self._batcher.drain()
        await self._backend.close()

    async def close(self) -> None:
        """Refuse what waits, and free the engine; what is being computed by workers is lost."""
        await asyncio.gather(self._batcher.close(), self._backend.close())
