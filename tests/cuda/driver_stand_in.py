"""A CUDA driver that only keeps books: every call is recorded, and each may be told to fail.

Its functions have the names, the order of arguments and the answers (status first) of ``cuda.bindings.driver``.
"""

import ctypes
import enum
from types import ModuleType
from typing import Any


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901


class CUstreamCaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


class CUstream(int):
    """A handle."""


class Driver(ModuleType):
    """Stands in for ``cuda.bindings.driver``."""

    CUresult = CUresult
    CUstreamCaptureMode = CUstreamCaptureMode
    CUstream = CUstream

    def __init__(self) -> None:
        super().__init__("cuda.bindings.driver")
        self.calls: list[tuple[Any, ...]] = []
        self.fails: dict[str, CUresult] = {}
        self.host: dict[int, Any] = {}

    def _answer(self, name: str, *arguments: Any, gives: Any = ()) -> tuple[Any, ...]:
        self.calls.append((name, *arguments))
        status = self.fails.get(name, CUresult.CUDA_SUCCESS)
        return (status, *gives) if status == 0 else (status, *(None for _ in gives))

    def cuCtxGetCurrent(self) -> Any:  # noqa: N802
        return self._answer("cuCtxGetCurrent", gives=("before",))

    def cuCtxSetCurrent(self, ctx: Any) -> Any:  # noqa: N802
        return self._answer("cuCtxSetCurrent", ctx)

    def cuMemAlloc(self, bytesize: int) -> Any:  # noqa: N802
        return self._answer("cuMemAlloc", bytesize, gives=(0x100,))

    def cuMemFree(self, dptr: int) -> Any:  # noqa: N802
        return self._answer("cuMemFree", dptr)

    def cuMemAllocHost(self, bytesize: int) -> Any:  # noqa: N802
        content = ctypes.create_string_buffer(bytesize)
        self.host[ctypes.addressof(content)] = content
        return self._answer("cuMemAllocHost", bytesize, gives=(ctypes.addressof(content),))

    def cuMemFreeHost(self, p: int) -> Any:  # noqa: N802
        del self.host[p]
        return self._answer("cuMemFreeHost")

    def cuMemcpyHtoDAsync(self, dstDevice: int, srcHost: int, ByteCount: int, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuMemcpyHtoDAsync", dstDevice, srcHost, ByteCount, hStream)

    def cuMemcpyDtoHAsync(self, dstHost: int, srcDevice: int, ByteCount: int, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuMemcpyDtoHAsync", dstHost, srcDevice, ByteCount, hStream)

    def cuMemcpyDtoDAsync(self, dstDevice: int, srcDevice: int, ByteCount: int, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuMemcpyDtoDAsync", dstDevice, srcDevice, ByteCount, hStream)

    def cuStreamSynchronize(self, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuStreamSynchronize", hStream)

    def cuEventRecord(self, hEvent: Any, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuEventRecord", hEvent, hStream)

    def cuEventElapsedTime(self, hStart: Any, hEnd: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuEventElapsedTime", hStart, hEnd, gives=(1.5,))

    def cuStreamBeginCapture(self, hStream: Any, mode: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuStreamBeginCapture", hStream, mode)

    def cuStreamEndCapture(self, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuStreamEndCapture", hStream, gives=(7,))

    def cuGraphInstantiate(self, hGraph: Any, flags: int) -> Any:  # noqa: N802, N803
        return self._answer("cuGraphInstantiate", hGraph, flags, gives=(8,))

    def cuGraphLaunch(self, hGraphExec: Any, hStream: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuGraphLaunch", hGraphExec, hStream)

    def cuGraphExecDestroy(self, hGraphExec: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuGraphExecDestroy", hGraphExec)

    def cuGraphDestroy(self, hGraph: Any) -> Any:  # noqa: N802, N803
        return self._answer("cuGraphDestroy", hGraph)

    def names(self) -> list[str]:
        return [str(call[0]) for call in self.calls]
