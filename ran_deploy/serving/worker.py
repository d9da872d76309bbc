"""One worker process as the host sees it, from its start to its end."""

import asyncio
import contextlib
import socket
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.clock import Clock, MonotonicClock
from ran_deploy.serving.engine import EngineFacts
from ran_deploy.serving.frames import Frame, Kind, Unpacker, pack, revive
from ran_deploy.serving.process import spawn, wait
from ran_deploy.serving.slots import Layout, SharedMemory, Slots
from ran_deploy.serving.spec import ModelSpec
from ran_deploy.serving.watchdog import Watchdog

SLOTS = 2
"""Batches that a worker may have: one that it computes, and one that it need not wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is to open."""

    spec: ModelSpec
    threads: int | None
    """CPU threads; None: as the runtime thinks best."""
    max_batch: int
    """Most images in a batch."""
    hang_s: float | None = None
    """How long one batch may be computed before the process is taken for hung and killed; None: for ever."""


class WorkerLostError(Exception):
    """The worker ended before it had computed a batch.

    Args:
        computing: Whether it was at that very batch, so that the batch may have been what ended it.
    """

    def __init__(self, *, computing: bool) -> None:
        super().__init__("a worker process ended")
        self.computing = computing


class Worker(asyncio.Protocol):
    """A process that has an engine open. Made by :meth:`start`."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", on_end: Callable[[], None], hang_s: float | None, clock: Clock
    ) -> None:
        self._process = process
        self._on_end = on_end
        self._watchdog = Watchdog(hang_s, clock, self._hang)
        self._unpacker = Unpacker()
        self._ready: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._flights: OrderedDict[int, asyncio.Future[Logits]] = OrderedDict()
        self._free = list(range(SLOTS))
        self._transport: asyncio.Transport
        self._slots: Slots
        self.facts: EngineFacts
        self.alive = False
        self.hung = False
        """Whether it was killed because a batch did not end."""

    @classmethod
    async def start(cls, order: Order, on_end: Callable[[], None] = lambda: None, clock: Clock | None = None) -> Self:
        """Start a process and let it open its engine and run it once.

        Args:
            order: What it is to open.
            on_end: Called when the process ends though nobody closed it.
            clock: What a batch's time is told by; None: this machine's.

        Raises:
            RanDeployError: The engine cannot be opened or run, or the process ended before it could say so.
        """
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs, contextlib.closing(SharedMemory()) as memory:
                process = spawn(theirs.fileno(), memory.descriptor)
                theirs.close()  # the end of the process is the end of the stream then
                try:
                    # The connection closes its own descriptor.
                    worker = cls(process, on_end, order.hang_s, clock or MonotonicClock())
                    return await worker._meet(ours.dup(), order, memory)
                except BaseException:
                    process.kill()
                    await asyncio.to_thread(process.wait)
                    raise
        except OSError as error:
            raise RanDeployError(
                f"A worker process cannot be started: {error.strerror or error}.",
                fix="Free memory, processes or open files, or serve with fewer workers.",
            ) from error

    async def _meet(self, channel: socket.socket, order: Order, memory: SharedMemory) -> Self:
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=channel)
        try:
            await self._open(order, memory)
        except BaseException:
            self._transport.abort()
            raise
        return self

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def load(self) -> int:
        """How many batches it has."""
        return len(self._flights)

    @property
    def has_room(self) -> bool:
        """Whether it takes another batch."""
        return self.alive and bool(self._free)

    async def run(self, images: npt.NDArray[Any]) -> Logits:
        """Compute a batch, after those that it has. Only while it :attr:`has_room`.

        Raises:
            WorkerLostError: The process ended before.
            RanDeployError: The engine failed.
        """
        slot = self._free.pop()
        answer: asyncio.Future[Logits] = asyncio.get_running_loop().create_future()
        self._flights[slot] = answer
        if len(self._flights) == 1:
            self._watchdog.begin()
        np.copyto(self._slots.images(slot, len(images)), images)
        self._transport.write(pack(Frame(Kind.RUN, slot, len(images))))
        return await answer

    def kill(self) -> None:
        """End the process at once, as if it had died."""
        self._process.kill()

    async def close(self) -> int:
        """Let the process free its engine and end, kill it if it does not, and return its exit status."""
        self.alive = False
        self._watchdog.end()
        self._transport.close()
        return await asyncio.to_thread(wait, self._process)

    def _hang(self) -> None:
        self.hung = True
        self.kill()

    async def _open(self, order: Order, memory: SharedMemory) -> None:
        body = {"spec": to_mapping(order.spec), "threads": order.threads}
        self._transport.write(pack(Frame(Kind.OPEN, body=body)))
        answer = (await self._ready).body
        self.facts = from_mapping(EngineFacts, answer, where="a worker's answer", error=RanDeployError)
        layout = Layout.of(self.facts.contract, slots=SLOTS, max_batch=order.max_batch)
        self._slots = Slots(memory.enlarged(layout.total_bytes), layout)
        self._transport.write(pack(Frame(Kind.MEMORY, body=to_mapping(layout))))
        self.alive = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what frames are sent through."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        for frame in self._unpacker.feed(data):
            if not self._ready.done():
                if frame.kind is Kind.FAILED:
                    self._ready.set_exception(revive(frame.body))
                else:
                    self._ready.set_result(frame)
            else:
                self._land(frame)

    def _land(self, frame: Frame) -> None:
        answer = self._flights.pop(frame.slot)
        if self._flights:  # the process goes on with the next one
            self._watchdog.begin()
        else:
            self._watchdog.end()
        if not answer.done():  # else the caller was cancelled
            if frame.kind is Kind.DONE:
                answer.set_result(self._slots.logits(frame.slot, frame.images).copy())
            else:
                answer.set_exception(revive(frame.body))
        self._free.append(frame.slot)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Tell those who wait that the process has ended."""
        expected, self.alive = not self.alive, False
        self._watchdog.end()
        if not self._ready.done():
            self._ready.set_exception(
                RanDeployError(
                    "A worker process ended before its engine was open.",
                    fix="Look for its message above; often memory ran out.",
                )
            )
        computing = True
        for answer in self._flights.values():
            if not answer.done():
                answer.set_exception(WorkerLostError(computing=computing))
            computing = False
        self._flights.clear()
        if not expected:
            self._on_end()
