"""A PyCUDA that only keeps books, after PyCUDA's own source (wrap_cudadrv.cpp): every call is recorded."""

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

_MEMORY_BYTES = 1 << 40


class Pycuda(ModuleType):
    """Stands in for ``pycuda.driver``."""

    class Error(Exception):
        """The base of PyCUDA's exceptions."""

    def __init__(self) -> None:
        super().__init__("pycuda.driver")
        self.calls: list[tuple[Any, ...]] = []
        self.Context = SimpleNamespace(pop=lambda: self._add("pop"))

    def init(self) -> None:
        self._add("init")

    def Device(self, number: int) -> Any:  # noqa: N802
        context = SimpleNamespace(push=lambda: self._add("push"), detach=lambda: self._add("detach"))
        return SimpleNamespace(retain_primary_context=lambda: context)

    def Stream(self, flags: int = 0) -> Any:  # noqa: N802
        self._add("stream", flags)
        return SimpleNamespace(handle=0x5E, synchronize=lambda: self._add("synchronize"))

    def Event(self) -> Any:  # noqa: N802
        return SimpleNamespace(record=lambda stream: self._add("record", stream.handle), time_since=lambda start: 2.5)

    def mem_alloc(self, nbytes: int) -> "_Allocation":
        if nbytes > _MEMORY_BYTES:
            raise self.Error("cuMemAlloc failed: out of memory")
        return _Allocation(self)

    def pagelocked_empty(self, shape: int, dtype: Any) -> Any:
        array = np.empty(shape, dtype).view(_Locked)
        array.allocation = SimpleNamespace(free=lambda: self._add("free host"))
        return array

    def memcpy_htod_async(self, dest: int, src: Any, stream: Any) -> None:
        self._add("htod", dest, src.nbytes, stream.handle)

    def memcpy_dtoh_async(self, dest: Any, src: int, stream: Any) -> None:
        self._add("dtoh", dest.nbytes, src, stream.handle)

    def memcpy_dtod_async(self, dest: int, src: int, size: int, stream: Any) -> None:
        self._add("dtod", dest, src, size, stream.handle)

    def _add(self, *call: Any) -> None:
        self.calls.append(call)


class _Allocation:
    def __init__(self, driver: Pycuda) -> None:
        self._driver = driver

    def __int__(self) -> int:
        return 0x300

    def free(self) -> None:
        self._driver.calls.append(("free",))


class _Locked(np.ndarray[Any, Any]):
    """An array whose base is what frees its memory."""

    allocation: Any = None

    @property
    def base(self) -> Any:
        return self.allocation
