"""Comparisons of result files: a real result of bench, with invented medians of its processes."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.bench.compare import compare
from ran_deploy.cli.app import run
from ran_deploy.errors import IntegrityError, UsageError

Document = dict[str, Any]


@pytest.fixture
def measured(make_engine: Any, capsys: pytest.CaptureFixture[str]) -> Document:
    """Return what bench prints for the batch sizes 1 and 4, as if measured in five quiet processes."""
    command = ["bench", "--engine", str(make_engine()), "--batch", "1,4", "--duration", "0", "--warm-up", "0"]
    assert run([*command, "--threads", "1", "--json"]) == 0
    document: Document = json.loads(capsys.readouterr().out)
    document["options"]["processes"] = 5
    for entry in document["results"]:
        entry["process_p50_ms"] = [10.0, 10.02, 9.98, 10.01, 9.99]
    return document


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def slowed(document: Document, factor: float) -> Document:
    changed = copy.deepcopy(document)
    for entry in changed["results"]:
        entry["process_p50_ms"] = [factor * value for value in entry["process_p50_ms"]]
    return changed


def test_processes_are_the_units(measured: Document, tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", measured)
    same = compare(a, write(tmp_path / "b.json", slowed(measured, 1.001)))
    assert [(entry.batch, entry.scenario, entry.verdict.name) for entry in same.comparisons] == [
        (1, "sweep", "SAME"),
        (4, "sweep", "SAME"),
    ]
    assert same.relation == "A and B are the same file"
    assert same.comparisons[0].boundary == "host: one synchronous run() call, uint8 batch in, float32 logits out"
    assert same.options.batches == (1, 4)
    (remark,) = same.remarks
    assert remark.startswith("the two runs were made at different times")
    slower = compare(a, write(tmp_path / "b.json", slowed(measured, 1.05)), batches=(4,), fail_on_regression=0.03)
    (entry,) = slower.comparisons
    assert (entry.batch, entry.verdict.name, slower.regressions) == (4, "SLOWER", (4,))
    assert entry.latency.value == pytest.approx(1.05, abs=0.001)
    assert entry.time_per_image is None


def test_the_processes_that_would_decide(measured: Document, tmp_path: Path) -> None:
    scattered = slowed(measured, 1.0)
    for entry in scattered["results"]:
        entry["process_p50_ms"] = np.linspace(9.5, 10.5, 8).tolist()
    result = compare(write(tmp_path / "a.json", measured), write(tmp_path / "b.json", scattered))
    assert result.comparisons[0].verdict.name == "AMBIGUOUS"
    assert "processes on each side would decide" in result.comparisons[0].verdict.summary


def test_a_regression_is_code_7(measured: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write(tmp_path / "a.json", measured), write(tmp_path / "b.json", slowed(measured, 1.05))
    assert run(["compare", str(a), str(b), "--fail-on-regression", "0.03"]) == 7
    captured = capsys.readouterr()
    assert "order        two runs of 5 and 5 fresh processes" in captured.out
    assert "SLOWER" in captured.out
    assert "error: B is slower than A by more than 0.03 at batch 1, 4" in captured.err
    assert run(["compare", str(b), str(a), "--fail-on-regression", "0.03", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comparisons"][0]["verdict"]["name"] == "FASTER"


def test_what_differs_is_said(measured: Document, tmp_path: Path) -> None:
    other = slowed(measured, 1.0)
    other["environment"]["cpu"] = "Another CPU"
    other["session"]["threads"] = 3
    other["session"]["versions"] = {"onnxruntime": "9.9"}
    other["results"][1]["batch"] = 8
    result = compare(write(tmp_path / "a.json", measured), write(tmp_path / "b.json", other))
    text = "\n".join(result.remarks)
    assert "B on Another CPU" in text
    assert "the ratio is of machines as much as of engines" in text
    assert "the threads differ: A 1; B 3" in text
    assert "B onnxruntime 9.9" in text
    assert "only A has batch 4 at engine\nonly B has batch 8 at engine" in text
    assert [entry.batch for entry in result.comparisons] == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document["options"].update(scenario="offline"), "nothing in common"),
        (lambda document: [entry.update(boundary="end-to-end") for entry in document["results"]], "nothing in common"),
        (lambda document: [entry.update(process_p50_ms=[10.0]) for entry in document["results"]], "from 5 and 1 proc"),
        (lambda document: document.pop("session"), "lacks the key 'session'"),
        (lambda document: document.update(schema="ran-deploy.error/v1"), "holds ran-deploy.error/v1; expected"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: Any, said: str, measured: Document, tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", measured)
    other = slowed(measured, 1.0)
    change(other)
    with pytest.raises(UsageError, match=said) as caught:
        compare(a, write(tmp_path / "b.json", other))
    assert caught.value.fix


def test_wrong_files(measured: Document, make_engine: Any, tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", measured)
    with pytest.raises(UsageError, match="are a result file and an engine"):
        compare(a, make_engine())
    with pytest.raises(UsageError, match="no throughput of each"):
        compare(a, a, metric="throughput")
    with pytest.raises(UsageError, match="does not exist"):
        compare(a, tmp_path / "no.json")
    b = tmp_path / "b.json"
    b.write_text("[1]")
    with pytest.raises(UsageError, match="holds no result"):
        compare(a, b)
    for content in (b"{", b"\xff", b""):
        b.write_bytes(content)
        with pytest.raises(IntegrityError):
            compare(a, b)
