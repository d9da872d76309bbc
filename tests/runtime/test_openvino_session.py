"""OpenVINO on real files. What it computes is compared with ONNX Runtime, and by hand where that is possible."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ran_deploy.bench.benchmark import benchmark
from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, UsageError
from ran_deploy.files import write_bytes
from ran_deploy.manifest import Manifest, Precision, publish, read_manifest
from ran_deploy.offline.predict import predict
from ran_deploy.runtime.against import evaluate_against
from ran_deploy.runtime.evaluate import evaluate
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.openvino_session import OpenVinoSession
from ran_deploy.runtime.threads import usable_cpus
from tests.with_openvino import require_openvino

require_openvino()


def _images(count: int, size: int = 32) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A network of two convolutions and a classifier."""
    return _publish(tmp_path / "small.onnx", _network(quantized=False))


def _publish(path: Path, model: onnx.ModelProto) -> Path:
    info = dataset_info("synthetic")
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset="synthetic",
        contract=make_contract(info, info.labels),
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
    )
    publish(path, lambda target: onnx.save(model, target), manifest)
    return path


def _network(*, quantized: bool, weight_steps: int = 127) -> onnx.ModelProto:
    rng = np.random.default_rng(7)
    tensors: dict[str, Any] = {
        "first": rng.normal(size=(16, 3, 3, 3)).astype(np.float32) / 5,
        "second": rng.normal(size=(16, 16, 3, 3)).astype(np.float32) / 12,
        "classes": rng.normal(size=(16, 10)).astype(np.float32),
        "range": np.array(255, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        node("Div", ["nchw", "range"], ["unit"]),
    ]
    data = "unit"
    for name, scale in (("first", 1 / 127), ("second", 4 / 127)):
        weights = name
        if quantized:
            tensors |= {f"{name}_s": np.array(scale, np.float32), f"{name}_z": np.array(0, np.int8)}
            per_channel = (np.abs(tensors[name]).max((1, 2, 3)) / weight_steps).astype(np.float32)
            tensors[f"{name}_ws"] = per_channel
            tensors[f"{name}_wz"] = np.zeros(16, np.int8)
            tensors[name] = np.rint(tensors[name] / per_channel[:, None, None, None]).astype(np.int8)
            nodes += [
                node("QuantizeLinear", [data, f"{name}_s", f"{name}_z"], [f"{name}_q"]),
                node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_z"], [f"{name}_dq"]),
                node("DequantizeLinear", [name, f"{name}_ws", f"{name}_wz"], [f"{name}_wdq"], axis=0),
            ]
            data, weights = f"{name}_dq", f"{name}_wdq"
        nodes += [
            node("Conv", [data, weights], [f"{name}_conv"], pads=[1] * 4),
            node("Relu", [f"{name}_conv"], [f"{name}_relu"]),
        ]
        data = f"{name}_relu"
    nodes += [
        node("GlobalAveragePool", [data], ["average"]),
        node("Flatten", ["average"], ["features"]),
        node("MatMul", ["features", "classes"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_an_attention_network_agrees_with_onnxruntime_in_float32(engines: Any) -> None:
    with open_engine(engines.onnx) as reference, open_engine(engines.onnx, runtime="openvino", threads=1) as session:
        for count in (5, 1):  # the batch is dynamic
            expected, actual = reference.run(_images(count)), session.run(_images(count))
            assert np.abs(expected - actual).max() < 1e-4
        assert expected.std() > 0.01
        assert actual.dtype == np.float32
        assert actual.shape == (1, 10)
        info = session.info
    assert (info.runtime, info.provider, info.device, info.threads) == ("openvino", "CPU", "cpu", 1)
    assert info.precision == "fp32 (inference precision f32)"
    assert info.sha256 == reference.info.sha256
    assert info.versions["openvino"][:2] == "20"
    assert info.load_s > 0


def _computes_in_bfloat16() -> bool:
    return "BF16" in require_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_bfloat16_only_when_asked_and_said(small: Path) -> None:
    with open_engine(small, runtime="openvino") as exact, open_engine(small) as reference:
        expected = reference.run(_images(8))
        assert np.abs(exact.run(_images(8)) - expected).max() < 1e-5
    if not _computes_in_bfloat16():
        with pytest.raises(MissingError, match="does not compute in bf16"):
            open_engine(small, runtime="openvino-bf16")
        return
    with open_engine(small, runtime="openvino-bf16") as session:
        assert session.info.precision == "bf16 (inference precision bf16)"
        assert 1e-5 < np.abs(session.run(_images(8)) - expected).max() < 0.1


def test_a_qdq_file_runs_in_int8_as_in_onnxruntime(small: Path) -> None:
    model = _network(quantized=True, weight_steps=63)  # 8 bits would saturate on a CPU without VNNI
    path = _publish(small.with_name("small_int8.onnx"), model)
    with open_engine(path) as reference, open_engine(path, runtime="openvino") as session, open_engine(small) as exact:
        floats, expected, actual = (engine.run(_images(16)) for engine in (exact, reference, session))
        assert session.info.precision == "fp32+int8 (inference precision f32)"  # the classifier is in float32
    noise = np.abs(expected - floats).max()
    assert noise > 1e-5  # the file is quantized
    assert np.abs(actual - expected).max() < max(noise, 0.01 * np.abs(floats).max())


def test_a_float16_file_computes_in_float32(make_means: Any) -> None:
    with open_engine(make_means(dtype="float16"), runtime="openvino") as session:
        logits = session.run(np.full((2, 3, 4, 4), 0.5, np.float16))
    assert logits.dtype == np.float32
    assert np.array_equal(logits, np.full((2, 3), 0.5))


def test_threads_may_share_a_session_and_keep_their_results(small: Path) -> None:
    batches = [_images(count) for count in (1, 2, 3, 4)] * 4
    with open_engine(small, runtime="openvino", threads=1) as session:
        expected = [session.run(batch).copy() for batch in batches]
        with ThreadPoolExecutor(4) as pool:
            actual = list(pool.map(session.run, batches))
        again = session.run(batches[0])
        session.run(batches[0] + np.uint8(9))
        assert np.array_equal(again, expected[0])  # a later run does not write over an earlier result
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(expected, actual, strict=True))


def test_threads_and_hints_are_set(small: Path) -> None:
    manifest = read_manifest(small)
    assert manifest is not None
    with OpenVinoSession(small, manifest.contract, threads=2, hint="throughput") as session:
        assert session.info.threads == min(2, usable_cpus())
        assert session.manifest is None
        assert session.info.sha256 == manifest.sha256
    with pytest.raises(UsageError, match="number of threads is 0"):
        open_engine(small, runtime="openvino", threads=0)
    with pytest.raises(UsageError, match="expected f32 or bf16, latency or throughput"):
        OpenVinoSession(small, manifest.contract, precision="f16")  # type: ignore[arg-type]


def test_takes_any_memory_layout(make_means: Any) -> None:
    images = _images(4, 4)
    frozen = images.copy()
    frozen.setflags(write=False)
    with open_engine(make_means(), runtime="openvino") as session:
        assert np.array_equal(session.run(images[::-1]), session.run(images)[::-1])
        assert np.array_equal(session.run(frozen), session.run(images))


def test_a_closed_session_does_not_run(make_means: Any) -> None:
    session = open_engine(make_means(), runtime="openvino")
    session.close()
    session.close()
    with pytest.raises(UsageError, match="is closed"):
        session.run(np.zeros((1, 4, 4, 3), np.uint8))


def test_a_truncated_model_with_a_matching_manifest(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(small)
    assert manifest is not None
    half = small.read_bytes()[: small.stat().st_size // 2]
    path = small.with_name("half.onnx")
    publish(path, lambda target: write_bytes(target, half), manifest)
    with pytest.raises(IntegrityError, match=r"half\.onnx is not a whole ONNX model"):
        open_engine(path, runtime="openvino")
    assert capfd.readouterr().err == ""  # the library itself keeps quiet


def test_a_model_that_differs_from_its_contract(make_means: Any) -> None:
    path = make_means()
    manifest = read_manifest(path)
    assert manifest is not None
    contract = manifest.contract
    with pytest.raises(IntegrityError, match=r"the input 'images' uint8 \[N × 4 × 4 × 3\]; its contract says 'pixels'"):
        OpenVinoSession(path, replace(contract, input=replace(contract.input, name="pixels")))
    with pytest.raises(IntegrityError, match=r"the output 'logits' float32 \[N × 3\]; its contract says 'x'"):
        OpenVinoSession(path, replace(contract, output=replace(contract.output, name="x")))


def test_an_unknown_operator(small: Path) -> None:
    model = onnx.load(small)
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Unheard"
    _publish(small, model)
    with pytest.raises(IncompatibleError, match="does not run in OpenVINO") as caught:
        open_engine(small, runtime="openvino")
    assert "Unheard" in caught.value.message


def test_a_missing_package(make_means: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingError, match="in OpenVINO needs the package openvino"):
        open_engine(make_means(), runtime="openvino")


def test_onnx_files_only(engines: Any, make_plan: Any, make_means: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"does not run in openvino, which takes \.onnx files"):
        open_engine(engines.checkpoint, runtime="openvino")
    with pytest.raises(UsageError, match=r"does not run in openvino, which takes \.onnx files"):
        open_engine(make_plan(), runtime="openvino")
    with pytest.raises(UsageError, match="The runtime is 'tvm'; expected one of auto, onnxruntime, onnxruntime-cuda,"):
        open_engine(make_means(), runtime="tvm")  # type: ignore[arg-type]
    with open_engine(make_plan(parent=make_means()), fallback=True, runtime="openvino") as session:
        assert session.info.runtime == "openvino"  # the file beside the plan is an .onnx file
    assert "Falling back" in capsys.readouterr().err


def test_the_stages_and_commands_take_the_runtime(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "red.png")
    assert predict(small, [tmp_path / "red.png"], runtime="openvino").runtime == "openvino"
    assert evaluate(small, "synthetic", limit=8, runtime="openvino").runtime == "openvino"
    result = evaluate_against(small, small, "synthetic", limit=8, runtime="openvino")
    assert (result.runtime, result.against.reference.runtime) == ("openvino", "onnxruntime")
    measured = benchmark(small, batches=(1,), warmup_ms=0, duration_s=0, runtime="openvino")
    assert measured.session.runtime == "openvino"
    for words in (
        ["eval", "--engine", str(small), "--dataset", "synthetic", "--limit", "8"],
        ["predict", "--engine", str(small), str(tmp_path / "red.png")],
        ["bench", "--engine", str(small), "--batch", "1", "--duration", "0"],
    ):
        assert run([*words, "--runtime", "openvino", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document.get("session", document)["runtime"] == "openvino"
