"""How a session has the times of a plan's layers told, against the stand-ins of the GPU and of TensorRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.profiling.tensorrt_profiler import TensorRtProfiler
from tests.runtime import gpu_stand_in
from tests.runtime.gpu_stand_in import Context, Engine, Gpu, Library, rtx
from tests.runtime.test_trt_session import Plan, means, pixels, steps

INFORMATION = '{"Layers": [{"Name": "layer", "LayerType": "kgen", "Metadata": "[ONNX Layer: head/Flatten]"}]}'


class ProfiledContext(Context):
    """Tells its profiler of one layer, once the work is done."""

    profiler: Any = None
    enqueue_emits_profile = True
    refuses_report = False

    def report_to_profiler(self) -> bool:
        self._gpu.log.append(("report",))
        assert not self._gpu.queue, "the work is not done yet"
        assert not self.enqueue_emits_profile
        if not self.refuses_report:
            self.profiler.report_layer_time("layer", 0.5)
        return not self.refuses_report


class Inspector:
    execution_context: Any = None

    def get_engine_information(self, form: Any) -> str:
        assert form == rtx.LayerInformationFormat.JSON
        assert isinstance(self.execution_context, ProfiledContext)
        return INFORMATION


class InspectedEngine(Engine):
    def create_engine_inspector(self) -> Inspector:
        return Inspector()


@pytest.fixture(autouse=True)
def profiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gpu_stand_in, "Context", ProfiledContext)
    monkeypatch.setattr(gpu_stand_in, "Engine", InspectedEngine)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path)


def library_for(gpu: Gpu, *, is_rtx: bool) -> Library:
    library = Library(gpu, is_rtx=is_rtx)
    for name in ("IProfiler", "LayerInformationFormat"):
        setattr(library, name, getattr(rtx, name))
    return library


class Times(rtx.IProfiler):  # type: ignore[misc]
    def __init__(self) -> None:
        rtx.IProfiler.__init__(self)
        self.told: list[tuple[str, float]] = []

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        self.told.append((layer_name, ms))


@pytest.mark.parametrize("is_rtx", [False, True])
def test_the_report_follows_the_end_of_the_run(plan: Plan, is_rtx: bool) -> None:
    gpu, times = Gpu(), Times()
    with plan.open(library_for(gpu, is_rtx=is_rtx), graphs=False) as session:
        session.run(pixels(2))
        gpu.log.clear()
        assert session.run_profiled(pixels(2), times) == INFORMATION
        assert steps(gpu) == ["upload", "enqueue", "download", "synchronize", "report"]
        assert times.told == [("layer", 0.5)]
        assert np.array_equal(session.run(pixels(2)), means(pixels(2)))


def test_a_library_without_times(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProfiledContext, "refuses_report", True)
    with plan.open(library_for(Gpu(), is_rtx=False), graphs=False) as session:
        with pytest.raises(RanDeployError, match="to report the times of its layers"):
            session.run_profiled(pixels(1), Times())
        with pytest.raises(UsageError):
            session.run_profiled(pixels(1)[0], Times())


def test_the_profiler_runs_a_session(plan: Plan) -> None:
    gpu = Gpu()
    profiler = TensorRtProfiler(lambda: plan.open(library_for(gpu, is_rtx=False), graphs=False))
    samples = profiler.sample((pixels(1), pixels(1, seed=2)), warmup=1, runs=2)
    assert [[(kernel.op, kernel.us, kernel.claims) for kernel in sample] for sample in samples] == [
        [("kgen", 500.0, ("head/Flatten", "layer"))]
    ] * 2
    assert steps(gpu).count("report") == 2
    assert gpu.closed == 1


def test_the_stand_ins_have_only_what_tensorrt_has() -> None:
    for stand_in, real in ((ProfiledContext, "IExecutionContext"), (Inspector, "EngineInspector")):
        names = {name for name in vars(stand_in) if not name.startswith("_")} - {"refuses_report"}
        assert names <= set(dir(getattr(rtx, real)))
    assert hasattr(rtx.ICudaEngine, "create_engine_inspector")
