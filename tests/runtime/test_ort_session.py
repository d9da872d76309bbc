from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ran_deploy.errors import IncompatibleError, IntegrityError, UsageError
from ran_deploy.files import write_bytes
from ran_deploy.manifest import publish, read_manifest
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.ort_session import OrtSession


def _images(count: int, size: int = 32) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_agrees_with_torch(engines: Any) -> None:
    images = _images(7)
    with open_engine(engines.checkpoint) as torch_session, open_engine(engines.onnx) as ort_session:
        expected, actual = torch_session.run(images), ort_session.run(images)
    assert expected.std() > 0.01  # the network does answer differently
    assert np.abs(expected - actual).max() < 1e-4
    assert actual.dtype == np.float32
    assert actual.shape == (7, 10)


def test_says_what_runs(engines: Any) -> None:
    with open_engine(engines.onnx, threads=1) as session:
        info, manifest = session.info, session.manifest
    assert manifest is not None
    assert (info.runtime, info.provider, info.device, info.threads) == ("onnxruntime", "CPUExecutionProvider", "cpu", 1)
    assert info.sha256 == manifest.sha256
    assert info.load_s > 0
    assert session.inputs[0].name == "images"
    assert session.outputs[0].name == "logits"


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((1, 4, 4, 3), np.float32), "is float32; this engine takes uint8"),
        (np.zeros((1, 5, 4, 3), np.uint8), "is [1 × 5 × 4 × 3]; this engine takes [N × 4 × 4 × 3]"),
        (np.zeros((4, 4, 3), np.uint8), "[4 × 4 × 3]"),
        (np.zeros((0, 4, 4, 3), np.uint8), "at least one image"),
    ],
    ids=["type", "shape", "no batch dimension", "no images"],
)
def test_refuses_other_batches(make_means: Any, images: Any, said: str) -> None:
    with open_engine(make_means()) as session, pytest.raises(UsageError) as caught:
        session.run(images)
    assert said in caught.value.message


def test_takes_any_memory_layout(make_means: Any) -> None:
    images = _images(4, 4)
    frozen = images.copy()
    frozen.setflags(write=False)
    with open_engine(make_means()) as session:
        assert np.array_equal(session.run(images[::-1]), session.run(images)[::-1])
        assert np.array_equal(session.run(frozen), session.run(images))


def test_threads_may_share_a_session(engines: Any) -> None:
    batches = [_images(count) for count in (1, 2, 3, 4)] * 4
    with open_engine(engines.onnx, threads=1) as session, ThreadPoolExecutor(4) as pool:
        expected = [session.run(batch) for batch in batches]
        actual = list(pool.map(session.run, batches))
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(expected, actual, strict=True))


def test_closed_session_does_not_run(make_means: Any) -> None:
    session = open_engine(make_means())
    session.close()
    session.close()
    with pytest.raises(UsageError, match="is closed"):
        session.run(np.zeros((1, 4, 4, 3), np.uint8))


def test_returns_float32_whatever_the_model_computes(make_means: Any) -> None:
    path = make_means(dtype="float16")
    with open_engine(path) as session:
        logits = session.run(np.full((2, 3, 4, 4), 0.5, np.float16))
    assert logits.dtype == np.float32
    assert np.array_equal(logits, np.full((2, 3), 0.5))


def test_truncated_model_with_matching_manifest(make_means: Any, tmp_path: Path) -> None:
    whole = make_means()
    manifest = read_manifest(whole)
    assert manifest is not None
    half = whole.read_bytes()[: whole.stat().st_size // 2]
    publish(tmp_path / "half.onnx", lambda path: write_bytes(path, half), manifest)
    with pytest.raises(IntegrityError, match="not a whole ONNX model"):
        open_engine(tmp_path / "half.onnx")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "pixels"}, "'images' uint8 [N × 4 × 4 × 3]; its contract says 'pixels' uint8 [N × 4 × 4 × 3]"),
        ({"dtype": "float32"}, "its contract says 'images' float32 [N × 4 × 4 × 3]"),
        ({"shape": (-1, 8, 8, 3)}, "its contract says 'images' uint8 [N × 8 × 8 × 3]"),
    ],
    ids=["name", "type", "shape"],
)
def test_model_that_differs_from_its_contract(make_means: Any, changed: Any, said: str) -> None:
    path = make_means()
    manifest = read_manifest(path)
    assert manifest is not None
    contract = replace(manifest.contract, input=replace(manifest.contract.input, **changed))
    with pytest.raises(IntegrityError) as caught:
        OrtSession(path, contract)
    assert said in caught.value.message


def test_model_with_two_outputs_is_not_of_the_contract(make_means: Any) -> None:
    path = make_means()
    manifest = read_manifest(path)
    assert manifest is not None
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("means", onnx.TensorProto.FLOAT, ["batch", 3]))
    onnx.save(model, path)
    with pytest.raises(IntegrityError, match=r"the output 'logits' .*, 'means' "):
        OrtSession(path, manifest.contract)


def test_model_of_a_future_opset(make_means: Any) -> None:
    with pytest.raises(IncompatibleError, match="does not run in ONNX Runtime"):
        open_engine(make_means(opset=99))


def test_labels_and_logits_must_be_as_many(make_means: Any) -> None:
    path = make_means(labels=("a", "b"))
    with pytest.raises(IntegrityError, match="names 2 labels for 3 logits"):
        open_engine(path)


def test_refuses_no_threads(make_means: Any) -> None:
    with pytest.raises(UsageError, match="threads is 0"):
        open_engine(make_means(), threads=0)


def test_a_graph_that_loads_and_fails_is_one_sentence(tmp_path: Path) -> None:
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMean", ["float"], ["means"], axes=[1, 2], keepdims=0),
        node("Shape", ["means"], ["shape"]),
        node("Add", ["shape", "one"], ["more"]),
        node("Reshape", ["means", "more"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("one", TensorProto.INT64, [2], [1, 0])],
    )
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with (
        open_engine(path, trust=True, threads=1) as session,
        pytest.raises(IntegrityError, match=r"two\.onnx does not run to its end in ONNX Runtime"),
    ):
        session.run(np.zeros((1, 4, 4, 3), np.uint8))
