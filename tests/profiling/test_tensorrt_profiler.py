"""The times of a plan's layers, against a session that reports what it is told to; the last test needs a GPU."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.profiling.fold import cost_kernels
from ran_deploy.profiling.graph import read_graph
from ran_deploy.profiling.sample import median_sample, only_run
from ran_deploy.profiling.tensorrt_profiler import TensorRtProfiler
from tests.profiling.by_hand import unit_model

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")

INFORMATION = json.dumps(
    {
        "Layers": [
            {
                "Name": "fused_conv",
                "LayerType": "correlation",
                "Metadata": "[ONNX Layer: stages.0.preact.0/Conv]\x1e[ONNX Layer: stages.0.preact.1/Relu]",
            },
            {"Name": "Reformatting 1", "LayerType": "Reformat", "Metadata": ""},
            "only a name",
        ]
    }
)


class Plan:
    """Stands in for a session of a plan, and records what is asked of it."""

    library = rtx

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self._runs = 0

    def run(self, images: Any) -> None:
        self._log.append(f"run {images[0]}")

    def run_profiled(self, images: Any, profiler: Any) -> str:
        assert isinstance(profiler, rtx.IProfiler)
        self._log.append(f"profile {images[0]}")
        self._runs += 1
        for name, ms in (
            ("fused_conv", 0.25 * self._runs),
            ("Reformatting 1", 0.125),
            ("stages.1.trunk.0.body.1.0/Conv + stages.1/Mul", 0.5),
            ("fused_conv", 0.25),
        ):
            profiler.report_layer_time(name, ms)
        return INFORMATION


def test_times_and_origins_of_layers() -> None:
    log: list[str] = []

    @contextlib.contextmanager
    def opened() -> Iterator[Plan]:
        log.append("open")
        yield Plan(log)
        log.append("close")

    samples = TensorRtProfiler(opened).sample((np.array([7]), np.array([8])), warmup=1, runs=3)
    assert log == ["open", "run 7", "profile 8", "profile 7", "profile 8", "close"]
    kernels = median_sample(only_run(samples))
    assert [(kernel.name, kernel.op, kernel.us) for kernel in kernels] == [
        ("fused_conv", "correlation", 750.0),  # reported twice in each run
        ("Reformatting 1", "Reformat", 125.0),
        ("stages.1.trunk.0.body.1.0/Conv + stages.1/Mul", "unknown", 500.0),
    ]
    costs = cost_kernels(kernels, read_graph(unit_model(), 1), run_us=1e4, roofline=None)
    assert [cost.part for cost in costs] == ["stem", "reorder", "stage 1 trunk"]
    assert costs[0].nodes[:2] == ("stages.0.preact.0/Conv", "stages.0.preact.1/Relu")
    assert costs[0].macs == 9216


@pytest.mark.gpu
def test_a_real_plan(network: Path, tmp_path: Path) -> None:
    from ran_deploy.engine.build import build_engine
    from ran_deploy.errors import IncompatibleError, MissingError
    from ran_deploy.profiling.profile import profile

    try:
        plan = build_engine(network, out=tmp_path / "small.plan").path
        result = profile(plan, batch=2, iterations=4)
    except (MissingError, IncompatibleError) as error:
        pytest.skip(f"no GPU that runs plans: {error.message}")
    assert result.roofline is None
    assert result.total.us > 0
    assert {part.branch for part in result.parts} >= {"trunk", "mask"}
