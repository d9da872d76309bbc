"""Kernel times from ONNX Runtime's profiler."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.bench.inputs import Buffers
from ran_deploy.manifest import Contract
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.runtime.ort_session import OrtSession

_KERNEL = "_kernel_time"
_EMPTY_KERNELS, _EMPTY_RUNS = 64, 12


class OrtProfiler:
    """ONNX Runtime's profiler: an event with start and duration for each kernel of each run.

    The profiler writes the shapes of all inputs and outputs down before it stops the clock, which adds some 5 µs to
    each kernel: as much as the smallest ones take. So kernels that do next to nothing are profiled, too, and what they
    take is taken off every kernel.

    Args:
        path: The ``.onnx`` file, already checked.
        contract: Its contract.
        threads: Threads of the session.
    """

    def __init__(self, path: Path, contract: Contract, *, threads: int) -> None:
        self._path, self._contract, self._threads = path, contract, threads
        self._empty_us: list[float] = []

    @property
    def method(self) -> str:
        """How the times come about, as a sentence."""
        cost = f", less the {statistics.median(self._empty_us):.1f} µs of an empty kernel" if self._empty_us else ""
        return f"ONNX Runtime's profiler, each kernel's median over all runs{cost}"

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Run the engine in a new session; return a sample for each run."""
        with tempfile.TemporaryDirectory(prefix="ran-deploy-profile-") as folder:
            empty_us = _empty_kernel_us(Path(folder) / "empty", self._threads)
            with OrtSession(
                self._path, self._contract, threads=self._threads, profile=Path(folder) / "engine"
            ) as session:
                for turn in range(warmup + runs):
                    session.run(buffers[turn % len(buffers)])
                events = json.loads(session.end_profiling().read_bytes())
        self._empty_us.append(empty_us)
        return read_events(events, empty_us)[warmup:]


def read_events(events: Sequence[dict[str, Any]], empty_us: float = 0.0) -> list[tuple[KernelTime, ...]]:
    """Return the kernels of each run, from the profiler's events; the event of a run follows those of its kernels.

    Args:
        events: What the profiler wrote.
        empty_us: Taken off the time of each kernel, in microseconds.
    """
    runs: list[tuple[KernelTime, ...]] = []
    kernels: list[dict[str, Any]] = []
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            kernels.append(event)
        elif event["cat"] == "Session" and event["name"] == "model_run":
            runs.append(tuple(_kernel(kernel, kernels[0]["ts"], empty_us) for kernel in kernels))
            kernels = []
    return runs


def _kernel(event: dict[str, Any], origin_us: float, empty_us: float) -> KernelTime:
    name = event["name"].removesuffix(_KERNEL)
    return KernelTime(
        name=name,
        op=event["args"]["op_name"],
        us=max(0.0, event["dur"] - empty_us),
        claims=(name,),
        start_us=float(event["ts"] - origin_us),
    )


def _empty_kernel_us(prefix: Path, threads: int) -> float:
    """Return what a kernel takes under the profiler that has three inputs, as most convolutions, and hardly any work.

    It is the mean of the middle half of all: the profiler tells whole µs, and a median would, too.
    """
    import onnxruntime as ort  # type: ignore[import-untyped]

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    session = ort.InferenceSession(_empty_model(), options, providers=["CPUExecutionProvider"])
    for _ in range(_EMPTY_RUNS):
        session.run(None, {"x0": np.zeros((1, 1, 1, 1), np.float32)})
    runs = read_events(json.loads(Path(session.end_profiling()).read_bytes()))
    times = sorted(kernel.us for kernels in runs[2:] for kernel in kernels)
    return statistics.fmean(times[len(times) // 4 : -(len(times) // 4)])


def _empty_model() -> bytes:
    nodes = [
        helper.make_node("Clip", [f"x{step}", "low", "high"], [f"x{step + 1}"], name=f"empty.{step}/Clip")
        for step in range(_EMPTY_KERNELS)
    ]
    first, last = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, 1, 1)) for name in ("x0", f"x{_EMPTY_KERNELS}")
    )
    limits = [
        numpy_helper.from_array(np.array(limit, np.float32), name) for name, limit in (("low", -1e9), ("high", 1e9))
    ]
    graph = helper.make_graph(nodes, "empty", [first], [last], limits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())
