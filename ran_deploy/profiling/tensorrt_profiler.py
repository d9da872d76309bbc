"""Kernel times of a plan from TensorRT's IProfiler, with their ONNX nodes from the engine inspector.

CUDA graphs hide the layers, so the plan runs without them here, and the kernels' sum may exceed a plain run's time.
"""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, Protocol

import numpy.typing as npt

from ran_deploy.bench.inputs import Buffers
from ran_deploy.profiling.sample import KernelTime

_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_US_PER_MS = 1000


class ProfiledPlan(Protocol):
    """A session of a plan; :class:`~ran_deploy.runtime.trt_session.TrtSession` is one."""

    @property
    def library(self) -> ModuleType:
        """``tensorrt`` or ``tensorrt_rtx``."""

    def run(self, images: npt.NDArray[Any]) -> object:
        """Run a batch and wait for its end."""

    def run_profiled(self, images: npt.NDArray[Any], profiler: Any) -> str:
        """Run a batch, have its layers' times told to an IProfiler, and return the inspector's JSON."""


class TensorRtProfiler:
    """TensorRT's IProfiler: the time of each layer in each run, on the GPU.

    Args:
        open_session: Opens the plan without CUDA graphs; called for each round.
    """

    method = "TensorRT's IProfiler, each layer's median over all runs, without CUDA graphs"

    def __init__(self, open_session: Callable[[], AbstractContextManager[ProfiledPlan]]) -> None:
        self._open = open_session

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Run the plan in a new session; return a sample for each run."""
        samples = []
        with self._open() as session:
            for turn in range(warmup):
                session.run(buffers[turn % len(buffers)])
            recorder = _make_recorder(session.library)
            for turn in range(warmup, warmup + runs):
                recorder.times_ms = {}
                layers = _layers(session.run_profiled(buffers[turn % len(buffers)], recorder))
                samples.append(tuple(_kernel(name, ms, layers) for name, ms in recorder.times_ms.items()))
        return samples


def _make_recorder(library: ModuleType) -> Any:
    class Recorder(library.IProfiler):  # type: ignore[name-defined, misc]
        """Collects what TensorRT reports; a layer that is reported twice has the sum."""

        def __init__(self) -> None:
            library.IProfiler.__init__(self)  # the binding needs it called in so many words
            self.times_ms: dict[str, float] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            """Take the time of one layer."""
            self.times_ms[layer_name] = self.times_ms.get(layer_name, 0.0) + ms

    return Recorder()


def _layers(information: str) -> dict[str, dict[str, Any]]:
    """Return what the inspector tells of each layer, by name; nothing of plans that were built with names only."""
    layers = json.loads(information).get("Layers", [])
    return {layer["Name"]: layer for layer in layers if isinstance(layer, dict)}


def _kernel(name: str, ms: float, layers: dict[str, dict[str, Any]]) -> KernelTime:
    layer = layers.get(name, {})
    origins = _ORIGIN.findall(layer.get("Metadata", ""))
    claims = (*origins, *name.split(" + "))  # the name of a fused layer is those of its parts
    return KernelTime(name=name, op=layer.get("LayerType", "unknown"), us=ms * _US_PER_MS, claims=claims)
