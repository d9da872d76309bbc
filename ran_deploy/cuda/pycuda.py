"""The GPU through PyCUDA, in the primary context.

PyCUDA's usual ``pycuda.autoinit`` makes a context of its own, in which PyTorch's memory does not exist; here the
primary one is retained. PyCUDA has no CUDA graphs: they are captured through cuda-bindings where it is installed.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.capture import CapturedGraph, capture
from ran_deploy.cuda.failure import NO_GPU, cuda_failure
from ran_deploy.errors import MissingError
from ran_deploy.optional import require, versions

_PURPOSE = "Running a plan with --cuda-backend pycuda"
_ORDINAL = 0
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, which PyCUDA does not name


class PycudaDevice:
    """A :class:`~ran_deploy.cuda.device.CudaDevice` through PyCUDA.

    Raises:
        MissingError: PyCUDA or the driver is missing.
    """

    backend = "pycuda"

    def __init__(self) -> None:
        self._driver = require("pycuda.driver", _PURPOSE)
        self.versions = versions("pycuda", "cuda-bindings")
        try:
            self._driver.init()
            self._context: Any = self._driver.Device(_ORDINAL).retain_primary_context()
        except self._driver.Error as error:
            raise MissingError(f"{_PURPOSE} needs an NVIDIA GPU: {error}.", fix=NO_GPU) from error

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the primary context the thread's own for a while."""
        with _failures(self._driver, "make the GPU current"):
            self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def stream(self) -> "_Stream":
        """Return a new stream."""
        return _Stream(self._driver)

    def device_buffer(self, nbytes: int) -> "_DeviceBuffer":
        """Return memory of the GPU."""
        return _DeviceBuffer(self._driver, nbytes)

    def pinned_buffer(self, nbytes: int) -> "_PinnedBuffer":
        """Return page-locked memory of the host."""
        return _PinnedBuffer(self._driver, nbytes)

    def close(self) -> None:
        """Release the primary context; a second time is harmless."""
        context, self._context = self._context, None
        if context is not None:
            context.detach()


class _Stream:
    def __init__(self, driver: ModuleType) -> None:
        self._driver = driver
        with _failures(driver, "create a stream"):
            self._stream: Any = driver.Stream(_NON_BLOCKING)
        self.handle = int(self._stream.handle)

    def upload(self, target: int, source: npt.NDArray[np.uint8]) -> None:
        with _failures(self._driver, "copy to the GPU"):
            self._driver.memcpy_htod_async(target, source, self._stream)

    def download(self, target: npt.NDArray[np.uint8], source: int) -> None:
        with _failures(self._driver, "copy from the GPU"):
            self._driver.memcpy_dtoh_async(target, source, self._stream)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        with _failures(self._driver, "copy within the GPU"):
            self._driver.memcpy_dtod_async(target, source, nbytes, self._stream)

    def record(self) -> "_Event":
        return _Event(self._driver, self._stream)

    def synchronize(self) -> None:
        with _failures(self._driver, "finish the work on the GPU"):
            self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> CapturedGraph:
        return capture(self.handle, work)

    def close(self) -> None:
        self._stream = None  # PyCUDA destroys it with its last reference


class _Event:
    def __init__(self, driver: ModuleType, stream: Any) -> None:
        self._driver = driver
        with _failures(driver, "record an event"):
            self._event = driver.Event()
            self._event.record(stream)

    def ms_since(self, start: "_Event") -> float:
        with _failures(self._driver, "measure the time between events"):
            return float(self._event.time_since(start._event))


class _DeviceBuffer:
    def __init__(self, driver: ModuleType, nbytes: int) -> None:
        self.nbytes = nbytes
        with _failures(driver, f"allocate {nbytes:,} bytes on the GPU"):
            self._allocation: Any = driver.mem_alloc(nbytes)
        self.address = int(self._allocation)

    def free(self) -> None:
        allocation, self._allocation = self._allocation, None
        if allocation is not None:
            allocation.free()


class _PinnedBuffer:
    def __init__(self, driver: ModuleType, nbytes: int) -> None:
        with _failures(driver, f"lock {nbytes:,} bytes of host memory for the GPU"):
            self.array: npt.NDArray[np.uint8] = driver.pagelocked_empty(nbytes, np.uint8)
        self._allocation: Any = self.array.base

    def free(self) -> None:
        allocation, self._allocation = self._allocation, None
        if allocation is not None:
            self.array = np.empty(0, np.uint8)
            allocation.free()


@contextlib.contextmanager
def _failures(driver: ModuleType, what: str) -> Iterator[None]:
    try:
        yield
    except driver.Error as error:
        raise cuda_failure(what, str(error)) from error
