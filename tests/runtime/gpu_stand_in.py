"""A GPU and a TensorRT that only count and copy, to see what the runner asks of them, and in which order.

The GPU keeps the rules of a real one that matter here: work is queued and done when the stream is waited for, memory
ends where it was allocated, a thread needs the context, a capture holds what is queued instead of doing it. The engine
computes the mean R, G and B of each image. Types and enumerations are the real ``tensorrt_rtx``'s.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import MissingError, RanDeployError

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")

HANDLE = 0x5E
SIZE = 4
"""Side of the engine's images, in pixels."""
CLASSES = 3
SCRATCH_BYTES = 1000

Work = Callable[[], None]


class Gpu:
    """A :class:`~ran_deploy.cuda.device.CudaDevice`. ``log`` holds what was asked of it and of TensorRT, in order."""

    backend = "stand-in"

    def __init__(self) -> None:
        self.versions = {"stand-in": "1"}
        self.log: list[tuple[Any, ...]] = []
        self.memory: dict[int, np.ndarray] = {}
        self.pinned: list[np.ndarray] = []
        self.allocations_left = 1000
        self.capture_error: RanDeployError | None = None
        self.closed = 0
        self.queue: list[Work] = []
        self.captured: list[Work] | None = None
        self.capture_is_valid = True
        self._threads = threading.local()
        self._next = 0x10000

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        before = getattr(self._threads, "inside", 0)
        self._threads.inside = before + 1
        try:
            yield
        finally:
            self._threads.inside = before

    def check(self) -> None:
        assert getattr(self._threads, "inside", 0), "the GPU's context is not current in this thread"

    def add(self, work: Work) -> None:
        self.check()
        (self.queue if self.captured is None else self.captured).append(work)

    def at(self, address: int, nbytes: int) -> np.ndarray:
        """Return the bytes at an address, all of which must be allocated."""
        for start, content in self.memory.items():
            if start <= address and address + nbytes <= start + len(content):
                return content[address - start : address - start + nbytes]
        raise AssertionError(f"{nbytes} bytes at {address:#x} are not allocated")

    def stream(self) -> "Stream":
        self.check()
        return Stream(self)

    def device_buffer(self, nbytes: int) -> "Buffer":
        self._count(nbytes)
        self._next += 0x10000
        self.memory[self._next] = np.full(nbytes, 0xCC, np.uint8)
        return Buffer(self, self._next, nbytes)

    def pinned_buffer(self, nbytes: int) -> "Pinned":
        self._count(nbytes)
        return Pinned(self, nbytes)

    def close(self) -> None:
        assert not self.memory
        assert not self.pinned
        self.closed += 1

    def _count(self, nbytes: int) -> None:
        self.check()
        self.allocations_left -= 1
        if self.allocations_left < 0:
            raise MissingError(f"There is too little free memory to allocate {nbytes} bytes on the GPU.")


class Buffer:
    def __init__(self, gpu: Gpu, address: int, nbytes: int) -> None:
        self._gpu, self.address, self.nbytes = gpu, address, nbytes

    def free(self) -> None:
        self._gpu.check()
        del self._gpu.memory[self.address]


class Pinned:
    def __init__(self, gpu: Gpu, nbytes: int) -> None:
        self._gpu = gpu
        self.array = np.full(nbytes, 0xCC, np.uint8)
        gpu.pinned.append(self.array)

    def free(self) -> None:
        self._gpu.check()
        self._gpu.pinned = [array for array in self._gpu.pinned if array is not self.array]


class Stream:
    handle = HANDLE

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def upload(self, target: int, source: np.ndarray) -> None:
        assert any(np.shares_memory(source, array) for array in self._gpu.pinned), "the source is not pinned"
        self._gpu.log.append(("upload", target, source.nbytes))
        self._gpu.add(lambda: np.copyto(self._gpu.at(target, source.nbytes), source))

    def download(self, target: np.ndarray, source: int) -> None:
        assert any(np.shares_memory(target, array) for array in self._gpu.pinned), "the target is not pinned"
        self._gpu.log.append(("download", source, target.nbytes))
        self._gpu.add(lambda: np.copyto(target, self._gpu.at(source, target.nbytes)))

    def copy(self, target: int, source: int, nbytes: int) -> None:
        self._gpu.log.append(("copy", target, source, nbytes))
        self._gpu.add(lambda: np.copyto(self._gpu.at(target, nbytes), self._gpu.at(source, nbytes)))

    def record(self) -> "Event":
        self._gpu.log.append(("record",))
        event = Event()
        self._gpu.add(event.reach)
        return event

    def synchronize(self) -> None:
        self._gpu.check()
        self._gpu.log.append(("synchronize",))
        queue, self._gpu.queue = self._gpu.queue, []
        for work in queue:
            work()

    def capture(self, work: Work) -> "Graph":
        self._gpu.check()
        self._gpu.log.append(("begin capture",))
        self._gpu.captured, self._gpu.capture_is_valid = [], True
        try:
            work()
        finally:
            held, self._gpu.captured = self._gpu.captured, None
            self._gpu.log.append(("end capture",))
        if self._gpu.capture_error is not None:
            raise self._gpu.capture_error
        assert self._gpu.capture_is_valid, "deferred work of a context cannot be captured"
        return Graph(self._gpu, held)

    def close(self) -> None:
        self._gpu.log.append(("close stream",))


class Event:
    """Counts 2 ms from each event to the next."""

    _reached = 0

    def __init__(self) -> None:
        self.moment: int | None = None

    def reach(self) -> None:
        Event._reached += 1
        self.moment = Event._reached

    def ms_since(self, start: "Event") -> float:
        assert self.moment is not None, "the event was not awaited"
        assert start.moment is not None
        return 2.0 * (self.moment - start.moment)


class Graph:
    def __init__(self, gpu: Gpu, held: list[Work]) -> None:
        self._gpu, self._held, self._open = gpu, held, True

    def launch(self) -> None:
        assert self._open
        self._gpu.log.append(("launch graph",))
        for work in self._held:
            self._gpu.add(work)

    def close(self) -> None:
        self._gpu.check()
        self._open = False
        self._gpu.log.append(("close graph",))


class Runtime:
    """Stands in for ``IRuntime``."""

    def __init__(self, library: Any, logger: Any) -> None:
        self._library, self._logger = library, logger

    def deserialize_cuda_engine(self, plan: bytes) -> "Engine | None":
        self._library.gpu.check()
        self._library.gpu.log.append(("deserialize", plan))
        if self._library.refuses_plan:
            self._logger.log(rtx.ILogger.Severity.ERROR, "the plan is for another driver\nand more")
            return None
        return Engine(self._library, self._logger)


class RtxRuntime(Runtime):
    """Stands in for TensorRT-RTX's ``IRuntime``."""

    def get_engine_validity(self, plan: bytes) -> tuple[Any, int]:
        return self._library.validity, self._library.diagnostics


class Engine:
    """Stands in for ``ICudaEngine``."""

    def __init__(self, library: Any, logger: Any) -> None:
        self._library, self._logger = library, logger
        self.num_io_tensors = 2
        self.num_optimization_profiles = len(library.profiles)
        self.device_memory_size_v2 = SCRATCH_BYTES
        self._shapes = {"images": (library.batch, SIZE, SIZE, 3), "logits": (library.batch, CLASSES)}

    def __del__(self) -> None:
        self._library.gpu.log.append(("free engine",))

    def get_tensor_name(self, index: int) -> str:
        return ("images", "logits")[index]

    def get_tensor_mode(self, name: str) -> Any:
        return {"images": rtx.TensorIOMode.INPUT, "logits": rtx.TensorIOMode.OUTPUT}[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return {"images": self._library.input_type, "logits": rtx.DataType.FLOAT}[name]

    def get_tensor_shape(self, name: str) -> Any:
        return rtx.Dims(self._shapes[name])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
        assert name == "images"
        return [rtx.Dims((batch, SIZE, SIZE, 3)) for batch in self._library.profiles[profile_index]]

    def create_runtime_config(self) -> "RuntimeConfig":
        assert self._library.is_rtx
        return RuntimeConfig()

    def create_execution_context(self, how: Any) -> "Context":
        config = how if self._library.is_rtx else None
        strategy = how.allocation if self._library.is_rtx else how
        assert strategy == rtx.ExecutionContextAllocationStrategy.USER_MANAGED
        self._library.gpu.log.append(("context", config.cuda_graph_strategy.name if config is not None else None))
        return Context(self, self._library, self._logger, config)


class RuntimeConfig:
    """Stands in for TensorRT-RTX's ``IRuntimeConfig``."""

    def __init__(self) -> None:
        self.cuda_graph_strategy = rtx.CudaGraphStrategy.DISABLED
        self.allocation = rtx.ExecutionContextAllocationStrategy.STATIC
        self.cache: RuntimeCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.allocation = strategy

    def create_runtime_cache(self) -> "RuntimeCache":
        return RuntimeCache()

    def set_runtime_cache(self, cache: "RuntimeCache") -> bool:
        self.cache = cache
        return True


class RuntimeCache:
    """Stands in for TensorRT-RTX's ``IRuntimeCache``: as many kernels as contexts have run."""

    def __init__(self) -> None:
        self.content = b""

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(b"kernels"):
            return False
        self.content = blob
        return True

    def serialize(self) -> bytes:
        return self.content


class Context:
    """Stands in for ``IExecutionContext``."""

    def __init__(self, engine: Engine, library: Any, logger: Any, config: RuntimeConfig | None) -> None:
        self._engine, self._library, self._logger, self._config = engine, library, logger, config
        self._gpu: Gpu = library.gpu
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] | None = None
        self._scratch: tuple[int, int] | None = None
        self._profile: tuple[int, int, int] | None = None
        self._is_warm = False
        self.nvtx_verbosity: Any = rtx.ProfilingVerbosity.LAYER_NAMES_ONLY

    def __del__(self) -> None:
        self._gpu.log.append(("free context",))

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        assert stream_handle == HANDLE
        self._gpu.log.append(("profile", profile_index))
        self._profile = self._library.profiles[profile_index]
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert self._profile is not None, "the profile comes before the shapes"
        self._gpu.log.append(("shape", name, shape))
        self._shape, self._is_warm = shape, False
        return self._profile[0] <= shape[0] <= self._profile[2]

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        self._gpu.log.append(("scratch", memory, size))
        self._scratch = (memory, size)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert memory % 256 == 0
        self._gpu.log.append(("address", name, memory))
        self._addresses[name] = memory
        return True

    def infer_shapes(self) -> list[str]:
        return [] if self._shape is not None else ["images"]

    def get_tensor_shape(self, name: str) -> Any:
        assert name == "logits"
        assert self._shape is not None
        return rtx.Dims((self._shape[0], CLASSES))

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._gpu.check()
        assert stream_handle == HANDLE
        assert self.nvtx_verbosity == rtx.ProfilingVerbosity.NONE
        assert self._scratch is not None
        assert self._shape is not None
        self._gpu.log.append(("enqueue", self._shape[0]))
        if self._library.refuses_run:
            self._logger.log(rtx.ILogger.Severity.ERROR, "the kernel is missing")
            return False
        if self._gpu.captured is not None and not self._is_warm:
            self._gpu.capture_is_valid = False
        self._is_warm = True
        if self._config is not None and self._config.cache is not None:
            self._config.cache.content += b"kernels"
        batch, images, logits = self._shape[0], self._addresses["images"], self._addresses["logits"]
        self._gpu.add(lambda: self._compute(batch, images, logits))
        return True

    def _compute(self, batch: int, images: int, logits: int) -> None:
        assert self._scratch is not None
        self._gpu.at(*self._scratch)[:] = 0xAA
        pixels = self._gpu.at(images, batch * SIZE * SIZE * 3).reshape(batch, SIZE * SIZE, 3)
        means = pixels.mean(axis=1, dtype=np.float32)
        self._gpu.at(logits, means.nbytes)[:] = means.reshape(-1).view(np.uint8)


_NAMES = ("ILogger", "TensorIOMode", "ExecutionContextAllocationStrategy", "ProfilingVerbosity")
_RTX_NAMES = ("CudaGraphStrategy", "EngineValidity", "EngineInvalidityDiagnostics", "ComputeCapability")


class Library(ModuleType):
    """Stands in for the module ``tensorrt`` or ``tensorrt_rtx``; its switches make it refuse."""

    def __init__(self, gpu: Gpu, *, is_rtx: bool = False, profiles: Any = ((1, 8, 64),), batch: int = -1) -> None:
        super().__init__("tensorrt_rtx" if is_rtx else "tensorrt")
        self.__version__ = rtx.__version__
        self.gpu, self.is_rtx, self.profiles, self.batch = gpu, is_rtx, profiles, batch
        self.refuses_plan = self.refuses_run = False
        self.input_type = rtx.DataType.UINT8
        self.validity, self.diagnostics = rtx.EngineValidity.VALID, 0
        for name in (*_NAMES, *(_RTX_NAMES if is_rtx else ())):
            setattr(self, name, getattr(rtx, name))

    def Runtime(self, logger: Any) -> Runtime:  # noqa: N802
        return (RtxRuntime if self.is_rtx else Runtime)(self, logger)


STANDS_FOR = {
    Runtime: "Runtime",
    RtxRuntime: "Runtime",
    Engine: "ICudaEngine",
    Context: "IExecutionContext",
    RuntimeConfig: "IRuntimeConfig",
    RuntimeCache: "IRuntimeCache",
}
"""The class of the real module that each class stands in for."""
