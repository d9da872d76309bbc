"""What a runner needs of a GPU, whatever package gives it: memory, pinned memory, a stream, events, graphs.

Everything here lives in the GPU's primary context, which PyTorch and the CUDA runtime use too, so that they can stand
beside it in one process. A thread must be inside :meth:`CudaDevice.current` for every call but the attributes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class DeviceBuffer(Protocol):
    """Memory of the GPU."""

    address: int
    """At least 256-byte aligned."""
    nbytes: int

    def free(self) -> None:
        """Give it back; a second time is harmless."""


class PinnedBuffer(Protocol):
    """Page-locked memory of the host, from which the GPU copies without a detour."""

    array: npt.NDArray[np.uint8]
    """Its bytes; not to be touched once it is freed."""

    def free(self) -> None:
        """Give it back; a second time is harmless."""


class Event(Protocol):
    """A moment in a stream."""

    def ms_since(self, start: Any) -> float:
        """Return the milliseconds from an earlier event of the same backend; both must have been reached."""


class Graph(Protocol):
    """Work that was captured once and is launched as a whole."""

    def launch(self) -> None:
        """Queue the work on the stream that it was captured from."""

    def close(self) -> None:
        """Destroy it; a second time is harmless."""


class Stream(Protocol):
    """A queue of work. It is never the default stream, which would wait for, and hold up, all others."""

    handle: int
    """The ``CUstream`` as a number, which TensorRT and DLPack take."""

    def upload(self, target: int, source: npt.NDArray[np.uint8]) -> None:
        """Queue a copy of pinned bytes to the GPU's address ``target``."""

    def download(self, target: npt.NDArray[np.uint8], source: int) -> None:
        """Queue a copy from the GPU's address ``source`` that fills pinned bytes."""

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Queue a copy from one of the GPU's addresses to another."""

    def record(self) -> Event:
        """Queue an event, which takes the time when the stream reaches it."""

    def synchronize(self) -> None:
        """Wait until all queued work is done.

        Raises:
            RanDeployError: The work failed.
        """

    def capture(self, work: Callable[[], None]) -> Graph:
        """Capture what ``work`` queues on this stream, without running it.

        If ``work`` raises, or queues what cannot be captured, the capture is ended and the stream works on as before.

        Raises:
            MissingError: The package that captures is not installed.
            RanDeployError: The work cannot be captured.
        """

    def close(self) -> None:
        """Destroy it; a second time is harmless."""


class CudaDevice(Protocol):
    """The first GPU that this process may use.

    All that is made here may raise MissingError where the GPU's memory is full, and RanDeployError where CUDA fails.
    """

    backend: str
    """"cuda-python" or "pycuda"."""
    versions: dict[str, str]
    """Of the packages that are used."""

    def current(self) -> AbstractContextManager[None]:
        """Make the GPU's primary context the thread's own for a while; what it had before comes back."""

    def stream(self) -> Stream:
        """Return a new stream."""

    def device_buffer(self, nbytes: int) -> DeviceBuffer:
        """Return memory of the GPU, not cleared."""

    def pinned_buffer(self, nbytes: int) -> PinnedBuffer:
        """Return page-locked memory of the host, not cleared."""

    def close(self) -> None:
        """Let go of the context; buffers and streams must be gone before."""
