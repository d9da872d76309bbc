"""The GPU through NVIDIA's own packages: cuda-core for what lives, cuda-bindings for what is called.

cuda-core's :class:`Device` retains the primary context, and its streams and events destroy themselves. Memory, copies
of a part of a buffer and graphs go through ``cuda.bindings.driver``, whose functions have not changed since CUDA 11.
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.capture import CapturedGraph, capture
from ran_deploy.cuda.driver import call, load_driver
from ran_deploy.cuda.failure import NO_GPU, cuda_failure
from ran_deploy.errors import MissingError
from ran_deploy.optional import require, versions

_PURPOSE = "Running a plan with --cuda-backend cuda-python"
_ORDINAL = 0


class CudaPythonDevice:
    """A :class:`~ran_deploy.cuda.device.CudaDevice` through cuda-core and cuda-bindings.

    Raises:
        MissingError: A package or the driver is missing.
    """

    backend = "cuda-python"

    def __init__(self) -> None:
        self._driver = load_driver(_PURPOSE)
        self._core = require("cuda.core", _PURPOSE)
        self.versions = versions("cuda-core", "cuda-bindings")
        try:
            self._core.Device(_ORDINAL)
        except Exception as error:  # cuda-core's exceptions are not exported
            raise MissingError(f"{_PURPOSE} needs an NVIDIA GPU: {error}.", fix=NO_GPU) from error

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the primary context the thread's own for a while."""
        device = self._core.Device(_ORDINAL)  # one object for each thread, as cuda-core wants it
        before = call("ask for the CUDA context", self._driver.cuCtxGetCurrent)
        with _failures("make the GPU current"):
            device.set_current()
        try:
            yield
        finally:
            call("restore the CUDA context", self._driver.cuCtxSetCurrent, before)

    def stream(self) -> "_Stream":
        """Return a new stream."""
        return _Stream(self._core, self._driver)

    def device_buffer(self, nbytes: int) -> "_DeviceBuffer":
        """Return memory of the GPU."""
        return _DeviceBuffer(self._driver, nbytes)

    def pinned_buffer(self, nbytes: int) -> "_PinnedBuffer":
        """Return page-locked memory of the host."""
        return _PinnedBuffer(self._driver, nbytes)

    def close(self) -> None:
        """Let go of the context: cuda-core does so itself when the process ends."""


class _Stream:
    def __init__(self, core: ModuleType, driver: ModuleType) -> None:
        self._core, self._driver = core, driver
        with _failures("create a stream"):
            self._stream = core.Device(_ORDINAL).create_stream(options=core.StreamOptions(nonblocking=True))
        self._raw = self._stream.handle
        self.handle = int(self._raw)

    def upload(self, target: int, source: npt.NDArray[np.uint8]) -> None:
        call("copy to the GPU", self._driver.cuMemcpyHtoDAsync, target, _address(source), source.nbytes, self._raw)

    def download(self, target: npt.NDArray[np.uint8], source: int) -> None:
        call("copy from the GPU", self._driver.cuMemcpyDtoHAsync, _address(target), source, target.nbytes, self._raw)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        call("copy within the GPU", self._driver.cuMemcpyDtoDAsync, target, source, nbytes, self._raw)

    def record(self) -> "_Event":
        return _Event(self._core, self._driver, self._raw)

    def synchronize(self) -> None:
        call("finish the work on the GPU", self._driver.cuStreamSynchronize, self._raw)

    def capture(self, work: Callable[[], None]) -> CapturedGraph:
        return capture(self.handle, work)

    def close(self) -> None:
        self._stream.close()


class _Event:
    def __init__(self, core: ModuleType, driver: ModuleType, stream: Any) -> None:
        self._driver = driver
        with _failures("create an event"):
            self._event = core.Device(_ORDINAL).create_event(options=core.EventOptions(timing_enabled=True))
        call("record an event", driver.cuEventRecord, self._event.handle, stream)

    def ms_since(self, start: "_Event") -> float:
        what = "measure the time between events"
        return float(call(what, self._driver.cuEventElapsedTime, start._event.handle, self._event.handle))


class _DeviceBuffer:
    def __init__(self, driver: ModuleType, nbytes: int) -> None:
        self._driver, self.nbytes = driver, nbytes
        self._pointer: Any = call(f"allocate {nbytes:,} bytes on the GPU", driver.cuMemAlloc, nbytes)
        self.address = int(self._pointer)

    def free(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            call("free memory of the GPU", self._driver.cuMemFree, pointer)


class _PinnedBuffer:
    def __init__(self, driver: ModuleType, nbytes: int) -> None:
        self._driver = driver
        self._pointer: Any = call(f"lock {nbytes:,} bytes of host memory for the GPU", driver.cuMemAllocHost, nbytes)
        memory = (ctypes.c_uint8 * nbytes).from_address(int(self._pointer))
        self.array: npt.NDArray[np.uint8] = np.ctypeslib.as_array(memory)

    def free(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self.array = np.empty(0, np.uint8)
            call("free host memory", self._driver.cuMemFreeHost, pointer)


def _address(array: npt.NDArray[np.uint8]) -> int:
    return int(array.ctypes.data)


@contextlib.contextmanager
def _failures(what: str) -> Iterator[None]:
    """Say in one way what cuda-core reports by exceptions that it does not export."""
    try:
        yield
    except Exception as error:
        raise cuda_failure(what, str(error) or type(error).__name__) from error
