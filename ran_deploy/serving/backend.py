"""What computes for a model: a thread of this process, or worker processes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy.typing as npt

from ran_deploy.runtime.session import Logits
from ran_deploy.serving.engine import EngineFacts, ServedEngine
from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.spec import ModelSpec


class Backend(Protocol):
    """Computes batches. :meth:`start` comes first, once; :meth:`close` last."""

    concurrency: int
    """How many batches it computes at the same time."""
    ahead: int
    """How many more it takes before it is free."""

    @property
    def failure(self) -> str:
        """Why it cannot compute any more, in a sentence; empty while it can."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that it has now."""

    async def start(self) -> EngineFacts:
        """Open the engine.

        Raises:
            RanDeployError: It cannot be opened or run; nothing is left behind.
        """

    async def run(self, images: npt.NDArray[Any]) -> Logits:
        """Compute a batch.

        Raises:
            UnavailableError: It was computed in vain by workers that died, or no worker is left.
            RanDeployError: The engine failed.
        """

    async def close(self) -> None:
        """Free the engine. Call it when nothing is being computed any more."""


class ThreadBackend:
    """One thread of this process: no process to start or to watch, but a crash of the runtime ends the service."""

    concurrency = 1
    ahead = 1
    failure = ""
    pids = ()

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"ran-deploy-{spec.name}")
        self._engine: ServedEngine | None = None

    async def start(self) -> EngineFacts:
        """Open the engine in the thread. Raises as :class:`~ran_deploy.serving.engine.ServedEngine`."""
        opening = self._thread.submit(ServedEngine, self._spec, self._spec.threads)
        try:
            self._engine = await asyncio.wrap_future(opening)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self._engine.facts

    async def run(self, images: npt.NDArray[Any]) -> Logits:
        """Compute a batch in the thread, after those that were given before."""
        if self._engine is None:
            raise UnavailableError(f"{self._spec.name} cannot answer: it is closed.", fix="Load the model.")
        return await asyncio.wrap_future(self._thread.submit(self._engine.run, images))

    async def close(self) -> None:
        """Free the engine, in the thread that used it."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await asyncio.wrap_future(self._thread.submit(engine.close))
        self._thread.shutdown(wait=False)  # it has nothing to do any more, and ends by itself
