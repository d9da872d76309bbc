"""The stage on tiny real engines: mean colours times a matrix, on synthetic images."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.bench.pareto import pareto
from ran_deploy.bench.pareto_points import int8_remarks
from ran_deploy.bench.pareto_result import ParetoOptions
from ran_deploy.cli.pareto import pareto_command
from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import IntegrityError, MissingError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest, Precision, publish
from ran_deploy.runtime.evaluate import evaluate
from ran_deploy.runtime.ort_session import OrtSession
from tests.bench.hand_made import point, seven_points, speed

QUICK: dict[str, Any] = {"dataset": "synthetic", "limit": 40, "batch": 4, "rounds": 5, "duration_s": 0, "threads": 1}


def _engine(path: Path, seed: int, asked: str = "fp32") -> Path:
    info = dataset_info("synthetic")
    matrix = np.random.default_rng(seed).normal(size=(3, 10)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("MatMul", ["means", "matrix"], ["logits"]),
        ],
        "means",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(np.array([1, 2]), "axes"), numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset="synthetic",
        contract=make_contract(info, info.labels),
        precision=Precision(asked=asked),  # type: ignore[arg-type]
        parents=(),
        key="test",
    )
    publish(path, lambda target: onnx.save(model, target), manifest)
    return path


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured here, so nothing needs to settle for long."""
    monkeypatch.setattr("ran_deploy.bench.pareto.SETTLE_MS", 0)


@pytest.fixture
def engines(tmp_path: Path) -> list[Path]:
    return [_engine(tmp_path / "net.onnx", 1), _engine(tmp_path / "net_int8.onnx", 2, "int8")]


def test_accuracy_and_speed_of_the_same_file(engines: list[Path]) -> None:
    result = pareto(engines, runtimes=("onnxruntime",), **QUICK)
    assert [point.name for point in result.points] == ["net, onnxruntime", "net_int8, onnxruntime"]
    assert [point.asked for point in result.points] == ["fp32", "int8"]
    assert (result.samples, result.dataset, result.absent, result.plot) == (40, "synthetic", {}, None)
    for path, found in zip(engines, result.points, strict=True):
        alone = evaluate(path, "synthetic", limit=40, threads=1)
        assert found.session.sha256 == alone.sha256 == sha256_file(path)
        assert (found.top1, found.top1_ci95) == (alone.top1, alone.top1_ci95)
        assert found.size_bytes == path.stat().st_size
        assert (found.latency.batch, found.throughput.batch) == (1, 4)
        assert (found.latency.runs, len(found.latency.round_p50_ms)) == (5, 5)
        assert found.difference_points == pytest.approx(found.top1 - result.points[0].top1)
        low, high = found.difference_ci95
        assert low <= found.difference_points <= high
    first = result.points[0]
    assert (first.difference_points, first.agreement) == (0, 100)
    assert first.latency.ratio.value == first.throughput.ratio.value == 1
    assert first.latency.ratio.ci95 == (1, 1)


def test_every_point_has_its_turn_in_every_round(engines: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int]] = []
    run = OrtSession.run

    def watch(self: OrtSession, images: Any) -> Any:
        ran.append((Path(self.info.engine).stem, len(images)))
        return run(self, images)

    monkeypatch.setattr(OrtSession, "run", watch)
    pareto(engines, runtimes=("onnxruntime",), **QUICK)
    accuracy, timed = ran[:20], ran[20:]
    assert len(timed) == 2 * 2 * 5 * 2  # an untimed and a timed run in each turn
    assert accuracy == [("net", 4), ("net_int8", 4)] * 10  # one pass over the images, read once for both
    turns = [name for index, name in enumerate(timed) if index == 0 or timed[index - 1] != name]
    assert turns == [("net", 1), ("net_int8", 1)] * 5 + [("net", 4), ("net_int8", 4)] * 5


def test_runtimes_that_are_not_here_are_named(engines: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    result = pareto(engines, **QUICK)
    assert len(result.points) == 2
    assert list(result.absent) == ["openvino"]
    assert "needs the package openvino" in result.absent["openvino"]
    with pytest.raises(MissingError, match=r"None of the runtimes is on this machine: .* needs the package openvino"):
        pareto(engines, runtimes=("openvino",), **QUICK)


def test_both_runtimes_and_the_plot(engines: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    result = pareto(engines, **QUICK, plot=tmp_path / "plots" / "net.svg")
    if not result.absent:
        assert [point.session.runtime for point in result.points] == ["onnxruntime", "openvino"] * 2
        assert result.points[1].agreement == 100
    assert result.plot == str(tmp_path / "plots" / "net.svg")
    assert "<svg" in (tmp_path / "plots" / "net.svg").read_text()


def test_the_document(engines: list[Path]) -> None:
    document = to_mapping(pareto(engines, runtimes=("onnxruntime",), **QUICK))
    assert set(document) == {
        "absent", "boundary", "dataset", "environment", "options", "order", "plot", "points", "remarks", "rule",
        "samples", "split",
    }  # fmt: skip
    assert set(document["points"][0]) == {
        "agreement", "asked", "difference_ci95", "difference_points", "latency", "name", "session", "size_bytes",
        "throughput", "top1", "top1_ci95",
    }  # fmt: skip
    assert set(document["points"][0]["latency"]) == {
        "batch", "dominated_by", "images_per_s", "p50_ms", "ratio", "round_images_per_s", "round_p50_ms", "runs",
    }  # fmt: skip
    assert "at most 0.1 points fewer" in document["rule"]
    json.dumps(document, allow_nan=False)


def test_slow_int8_is_said_in_words() -> None:
    remarks = int8_remarks(seven_points().points)
    assert remarks == [
        "INT8 is slower than float32 in onnxruntime here: at batch 1, att92_int8_minmax, onnxruntime has "
        "0.64 (95% interval 0.64 to 0.64) times the speed of att92, onnxruntime.",
        "INT8 is slower than float32 in onnxruntime here: at batch 64, att92_int8_minmax, onnxruntime has "
        "0.66 (95% interval 0.66 to 0.66) times the speed of att92, onnxruntime.",
    ]


def test_int8_that_is_no_faster_is_said_in_words() -> None:
    same = speed(1, 10), speed(64, 300)
    pair = [
        point("net", "openvino", "fp32", 94, (0, 0, 0), *same),
        point("net_int8", "openvino", "int8", 94, (0, 0, 0), *same),
    ]
    assert [text[:52] for text in int8_remarks(pair)] == ["INT8 is not measurably faster than float32 in openvi"] * 2
    assert int8_remarks(pair[1:]) == []  # there is nothing to compare with


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch": 1}, "The batch is 1"),
        ({"rounds": 4}, "The number of rounds is 4; expected at least 5"),
        ({"duration_s": -1}, "expected ≥ 0"),
        ({"duration_s": float("nan")}, "expected ≥ 0"),
        ({"tolerance_points": -0.1}, "expected ≥ 0"),
        ({"runtimes": ()}, "The runtimes are none"),
        ({"runtimes": ("openvino", "openvino")}, "The runtimes are openvino, openvino"),
        ({"runtimes": ("auto",)}, "expected one or more of onnxruntime, openvino, openvino-bf16"),
    ],
)
def test_options_out_of_range(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ParetoOptions(**changed)
    assert said in caught.value.message


def test_bad_files(engines: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 engines are given"):
        pareto([], **QUICK)
    with pytest.raises(UsageError, match="none of them twice"):
        pareto([engines[0], tmp_path / "." / "net.onnx"], **QUICK)
    with pytest.raises(UsageError, match="does not exist"):
        pareto([engines[0], tmp_path / "none.onnx"], runtimes=("onnxruntime",), **QUICK)
    with pytest.raises(UsageError, match=r"must end in \.svg or \.png"):
        pareto(engines, plot=tmp_path / "plot.jpg", **QUICK)
    engines[1].write_bytes(engines[1].read_bytes()[:100])
    with pytest.raises(IntegrityError, match="is not the file that its manifest describes"):
        pareto(engines, runtimes=("onnxruntime",), **QUICK)


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [_engine(tmp_path / folder / "net.onnx", seed) for seed, folder in enumerate(("a", "b"))]
    result = pareto(paths, runtimes=("onnxruntime",), **QUICK)
    assert [point.name for point in result.points] == [f"{path}, onnxruntime" for path in paths]


def _command(engines: list[Path], *, as_json: bool) -> None:
    pareto_command(
        engines,
        "synthetic",
        limit=40,
        batch=4,
        runtimes="onnxruntime",
        rounds=5,
        duration=0,
        threads=1,
        as_json=as_json,
    )


def test_the_command_prints_one_document(engines: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    _command(engines, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.pareto/v1"
    assert [found["name"] for found in document["points"]] == ["net, onnxruntime", "net_int8, onnxruntime"]
    assert document["options"]["rounds"] == 5


def test_the_command_prints_a_table(engines: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    _command(engines, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "40 images of synthetic (test); speed and difference are beside point 1"
    (header,) = [line for line in lines if "p50 ms at 1" in line]
    assert "images/s at 4" in header
    assert sum(" net, onnxruntime" in line and "1.00 (1.00 to 1.00)" in line for line in lines) == 1
    assert "accuracy and latency at batch 1" in lines
    assert sum(line.startswith("  net_int8, onnxruntime: ") for line in lines) == 2  # a verdict in each plane
    assert lines[-1].startswith("Rule: B dominates A if ")
