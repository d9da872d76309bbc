import sys

import pytest

from ran_deploy.cuda.capture import capture
from ran_deploy.errors import MissingError, RanDeployError
from tests.cuda.driver_stand_in import CUresult, Driver

STREAM = 0x5E


def test_a_graph_from_capture_to_its_end(driver: Driver) -> None:
    graph = capture(STREAM, lambda: driver.calls.append(("work",)))
    assert driver.calls == [
        ("cuStreamBeginCapture", STREAM, 1),
        ("work",),
        ("cuStreamEndCapture", STREAM),
        ("cuGraphInstantiate", 7, 0),
        ("cuGraphDestroy", 7),
    ]
    driver.calls.clear()
    graph.launch()
    graph.close()
    graph.close()
    assert driver.calls == [("cuGraphLaunch", 8, STREAM), ("cuGraphExecDestroy", 8)]


def test_work_that_fails_ends_the_capture(driver: Driver) -> None:
    def work() -> None:
        raise RanDeployError("TensorRT refuses.")

    with pytest.raises(RanDeployError, match="TensorRT refuses"):
        capture(STREAM, work)
    assert driver.names() == ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphDestroy"]
    driver.fails["cuStreamEndCapture"] = CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
    with pytest.raises(RanDeployError, match="TensorRT refuses"):
        capture(STREAM, work)  # the first reason stays the one that is told


def test_work_that_cannot_be_captured(driver: Driver) -> None:
    driver.fails["cuStreamEndCapture"] = CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
    with pytest.raises(RanDeployError, match="could not capture a CUDA graph: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"):
        capture(STREAM, lambda: None)


def test_a_graph_that_cannot_be_instantiated_is_destroyed(driver: Driver) -> None:
    driver.fails["cuGraphInstantiate"] = CUresult.CUDA_ERROR_OUT_OF_MEMORY
    with pytest.raises(MissingError, match="too little free memory to instantiate a CUDA graph"):
        capture(STREAM, lambda: None)
    assert driver.names()[-1] == "cuGraphDestroy"


def test_without_cuda_bindings_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(
        MissingError, match=r"Capturing a CUDA graph needs the package cuda\.bindings\.driver"
    ) as caught:
        capture(STREAM, lambda: None)
    assert caught.value.fix == "Run: pip install 'ran-deploy[gpu]'"
