import itertools
import json
from pathlib import Path

import pytest

from ran_deploy.profiling.result import ProfileResult
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.profiling.trace import trace_document, write_trace
from tests.profiling.by_hand import unit_costs, unit_result, unit_times


def check_trace(document: object) -> None:
    """What Perfetto and Chrome ask of a trace: complete events with times in µs, and slices that nest on a track."""
    assert isinstance(document, dict)
    events = document["traceEvents"]
    assert {event["ph"] for event in events} == {"X", "M"}
    for event in events:
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert isinstance(event["name"], str)
        assert isinstance(event["args"], dict)
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    slices = [event for event in events if event["ph"] == "X"]
    assert {event["tid"] for event in slices} == named
    for event in slices:
        assert event["ts"] >= 0
        assert event["dur"] >= 0
    for track in named:
        spans = sorted((event["ts"], event["dur"]) for event in slices if event["tid"] == track)
        for (start, us), (following, _) in itertools.pairwise(spans):
            assert start + us <= following + 1e-6, "slices of one track overlap"


def test_kernels_and_parts_on_their_tracks() -> None:
    document = trace_document(unit_result(), unit_times(), unit_costs())
    check_trace(document)
    slices = [event for event in document["traceEvents"] if event["ph"] == "X"]
    kernels = [event for event in slices if event["tid"] == 2]
    assert [(event["name"], event["ts"], event["dur"]) for event in kernels][:3] == [
        ("Conv", 0.0, 20.0),
        ("Conv", 25.0, 10.0),
        ("MaxPool", 36.0, 5.0),
    ]
    assert kernels[0]["args"]["part"] == "stem"
    assert kernels[0]["args"]["macs"] == 9216
    parts = [(event["name"], event["ts"], event["dur"]) for event in slices if event["tid"] == 1]
    assert ("stage 1 mask up", 42.0, 10.0) in parts  # two kernels and the gap between them
    assert ("stage 1 fusion", 57.0, 8.0) in parts
    assert document["otherData"]["starts"] == "as measured"


def test_kernels_without_a_start_follow_each_other() -> None:
    run = [KernelTime(name=kernel.name, op=kernel.op, us=kernel.us, claims=()) for kernel in unit_times()]
    document = trace_document(unit_result(), run, unit_costs())
    check_trace(document)
    starts = [event["ts"] for event in document["traceEvents"] if event["ph"] == "X" and event["tid"] == 2]
    assert starts[:4] == [0.0, 20.0, 30.0, 35.0]
    assert "end to end" in document["otherData"]["starts"]


@pytest.mark.parametrize("runtime", ["in_onnxruntime", "in_openvino"])
def test_a_real_trace(runtime: str, request: pytest.FixtureRequest) -> None:
    result: ProfileResult = request.getfixturevalue(runtime)
    assert result.trace is not None
    document = json.loads(Path(result.trace).read_text(), parse_constant=pytest.fail)
    check_trace(document)
    slices = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert sum(event["tid"] == 2 for event in slices) == len(result.kernels)
    assert {event["name"] for event in slices if event["tid"] == 1} == {part.name for part in result.parts}


def test_writes_json(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(unit_result(), unit_times(), unit_costs(), path)
    assert json.loads(path.read_text()) == trace_document(unit_result(), unit_times(), unit_costs())
