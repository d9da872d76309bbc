"""Kernel times of a plan from TensorRT's IProfiler, with their ONNX nodes from the engine inspector.

Source: TensorRT developer guide, "Performance Best Practices": a profiler on the execution context is told of each
layer's time; with ``enqueue_emits_profile`` off, only after ``report_to_profiler``, so that nothing is awaited in
between. CUDA graphs hide the layers: the execution must run without them.
"""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, Protocol

from ran_deploy.bench.inputs import Buffers
from ran_deploy.profiling.sample import KernelTime

_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_US_PER_MS = 1000


class PlanExecution(Protocol):
    """A deserialized plan at one batch size, without CUDA graphs."""

    library: ModuleType
    """``tensorrt`` or ``tensorrt_rtx``."""
    engine: Any
    """Its ICudaEngine."""
    context: Any
    """Its IExecutionContext."""

    def run(self, images: Any) -> object:
        """Run a batch and wait for its end."""


class TensorRtProfiler:
    """TensorRT's IProfiler: the time of each layer in each run, on the GPU.

    Args:
        open_execution: Opens the plan; called for each round.
    """

    method = "TensorRT's IProfiler, each layer's median over all runs, without CUDA graphs"

    def __init__(self, open_execution: Callable[[], AbstractContextManager[PlanExecution]]) -> None:
        self._open = open_execution

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Run the plan in a new execution context; return a sample for each run."""
        samples = []
        with self._open() as execution:
            context = execution.context
            for turn in range(warmup):
                execution.run(buffers[turn % len(buffers)])
            recorder = _make_recorder(execution.library)
            context.profiler = recorder
            context.enqueue_emits_profile = False
            layers = _layers(execution)
            for turn in range(warmup, warmup + runs):
                recorder.times_ms = {}
                execution.run(buffers[turn % len(buffers)])
                context.report_to_profiler()
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


def _layers(execution: PlanExecution) -> dict[str, dict[str, Any]]:
    """Return what the inspector tells of each layer, by name; nothing of plans that were built with names only."""
    inspector = execution.engine.create_engine_inspector()
    inspector.execution_context = execution.context
    text = inspector.get_engine_information(execution.library.LayerInformationFormat.JSON)
    layers = json.loads(text).get("Layers", [])
    return {layer["Name"]: layer for layer in layers if isinstance(layer, dict)}


def _kernel(name: str, ms: float, layers: dict[str, dict[str, Any]]) -> KernelTime:
    layer = layers.get(name, {})
    origins = _ORIGIN.findall(layer.get("Metadata", ""))
    claims = (*origins, *name.split(" + "))  # the name of a fused layer is those of its parts
    return KernelTime(name=name, op=layer.get("LayerType", "unknown"), us=ms * _US_PER_MS, claims=claims)
