import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.profiling.ort_profiler import OrtProfiler, read_events
from ran_deploy.profiling.result import ProfileResult
from tests.profiling.conftest import CONTRACT
from tests.profiling.small_network import SIZE


def event(category: str, name: str, ts: int, dur: int, op: str = "") -> dict[str, Any]:
    return {"cat": category, "pid": 1, "tid": 1, "ph": "X", "name": name, "ts": ts, "dur": dur, "args": {"op_name": op}}


EVENTS = [
    event("Session", "session_initialization", 1, 900),
    event("Node", "a_fence_before", 1000, 1, "Conv"),  # as older versions write them
    event("Node", "a_kernel_time", 1001, 30, "Conv"),
    event("Node", "b_kernel_time", 1040, 4, "Relu"),
    event("Session", "SequentialExecutor::Execute", 1000, 50),
    event("Session", "model_run", 995, 60),
    event("Node", "a_kernel_time", 2001, 20, "Conv"),
    event("Node", "b_kernel_time", 2030, 9, "Relu"),
    event("Session", "model_run", 2000, 60),
    event("Node", "a_kernel_time", 3001, 20, "Conv"),  # of a run that did not end
]


def test_events_by_run() -> None:
    first, second = read_events(EVENTS)
    assert [(kernel.name, kernel.op, kernel.us, kernel.start_us) for kernel in first] == [
        ("a", "Conv", 30.0, 0.0),
        ("b", "Relu", 4.0, 39.0),
    ]
    assert [kernel.us for kernel in second] == [20.0, 9.0]


def test_the_profilers_own_cost_is_taken_off() -> None:
    first, _ = read_events(EVENTS, empty_us=4.5)
    assert [kernel.us for kernel in first] == [25.5, 0.0]  # never less than nothing


def test_a_real_profile(in_onnxruntime: ProfileResult) -> None:
    assert "of an empty kernel" in in_onnxruntime.method
    # What the runtime inserted is all that is in no part of the network.
    assert not [kernel for kernel in in_onnxruntime.kernels if kernel.branch == "other" and kernel.nodes]
    assert {kernel.op for kernel in in_onnxruntime.kernels} & {"Conv", "FusedConv"}
    assert any(kernel.us > 0 for kernel in in_onnxruntime.kernels)


def test_samples_leave_no_files(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    profiler = OrtProfiler(network, CONTRACT, threads=1)
    images = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    samples = profiler.sample((images,), warmup=2, runs=3)
    assert len(samples) == 3
    with pytest.raises(UsageError):
        profiler.sample((images[0],), warmup=0, runs=1)
    assert not list(tmp_path.iterdir())
