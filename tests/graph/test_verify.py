import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.graph.verify import verify_engines
from ran_deploy.manifest import Manifest, Precision, publish, verified_manifest


def with_changed_weight(source: Path, out: Path, by: float) -> Path:
    model = onnx.load(source)
    weight = next(tensor for tensor in model.graph.initializer if "classifier" in tensor.name)
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += by
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    manifest = verified_manifest(source)
    assert manifest is not None
    publish(out, lambda path: onnx.save(model, path), manifest)
    return out


def make_colour(
    path: Path,
    *,
    gain: float = 1.0,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    size: int = 32,
    batch: int | str = "batch",
    labels: tuple[str, ...] = ("red", "green", "blue"),
) -> Path:
    """An engine whose logits are the mean R, G and B of an image, on the scale 0 to 1, times ``gain``."""
    info = replace(dataset_info("cifar10"), size=size)
    contract = make_contract(info, labels)
    if isinstance(batch, int):
        contract = replace(
            contract,
            input=replace(contract.input, shape=(batch, *contract.input.shape[1:])),
            output=replace(contract.output, shape=(batch, *contract.output.shape[1:])),
        )
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["logits"]),
    ]
    matrix = np.zeros((3, len(labels)), np.float32)
    np.fill_diagonal(matrix, gain / 255)
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, size, size, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, len(labels)])],
        [numpy_helper.from_array(np.array([1, 2]), "axes"), numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset=None,
        contract=contract,
        precision=Precision(asked=precision),
        parents=(),
        key="test",
    )
    publish(path, lambda target: onnx.save(model, target), manifest)
    return path


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    return make_colour(tmp_path / "colour.onnx")


def test_a_checkpoint_and_its_export_are_alike(checkpoint: Path, exported: Path) -> None:
    result = verify_engines(checkpoint, exported)
    assert result.passed
    assert 0 < result.metrics.max_abs < 1e-4
    assert (result.source, result.metrics.images) == ("generated images", 64)
    assert result.tolerance.atol == 1e-4


def test_a_difference_is_code_3_with_the_metrics(exported: Path, tmp_path: Path) -> None:
    changed = with_changed_weight(exported, tmp_path / "b.onnx", 0.1)
    with pytest.raises(GateError, match=r"differ on 64 generated images: .* expected max abs ≤ 0\.0001") as caught:
        verify_engines(exported, changed)
    assert caught.value.details["metrics"]["max_abs"] > 1e-4
    json.dumps(caught.value.details, allow_nan=False)
    assert verify_engines(exported, changed, atol=10.0).passed


@pytest.mark.parametrize(
    ("precision", "gain", "passes"),
    [("fp32", 1.00005, True), ("fp32", 1.001, False), ("fp16", 1.001, True), ("fp16", 1.1, False), ("int8", 1.1, True)],
)
def test_the_tolerance_follows_the_precision(
    colour: Path, tmp_path: Path, precision: Literal["fp32", "fp16", "int8"], gain: float, passes: bool
) -> None:
    other = make_colour(tmp_path / "other.onnx", gain=gain, precision=precision)
    if passes:
        assert verify_engines(colour, other).metrics.max_abs == pytest.approx(gain - 1, rel=0.01)
    else:
        with pytest.raises(GateError):
            verify_engines(colour, other)


def test_an_engine_that_answers_nonsense(colour: Path, tmp_path: Path) -> None:
    nonsense = make_colour(tmp_path / "nonsense.onnx", gain=float("inf"), precision="int8")
    with pytest.raises(GateError, match="64 not finite") as caught:
        verify_engines(colour, nonsense)
    json.dumps(caught.value.details, allow_nan=False)


def test_a_fixed_batch_is_filled_up(colour: Path, tmp_path: Path) -> None:
    fixed = make_colour(tmp_path / "fixed.onnx", batch=5)
    assert verify_engines(colour, fixed, limit=7).metrics.max_abs < 1e-6


def test_a_dataset_serves(colour: Path) -> None:
    result = verify_engines(colour, colour, dataset="synthetic", limit=40)
    assert (result.source, result.metrics.images, result.metrics.max_abs) == ("test images of synthetic", 40, 0)
    with pytest.raises(UsageError, match="have 64 pixels; the engines take 32"):
        verify_engines(colour, colour, dataset="tiny-imagenet", data=Path("x"))
    with pytest.raises(UsageError, match="needs the folder"):
        verify_engines(colour, colour, dataset="cifar10")


def test_a_folder_of_images_is_sampled_evenly(colour: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, rgb in enumerate([(255, 0, 0)] * 4 + [(0, 255, 0)] * 4 + [(0, 0, 255)] * 4):
        Image.new("RGB", (20, 20), rgb).save(folder / f"{index:02d}.png")
    assert verify_engines(colour, colour, data=folder).metrics.images == 12
    constant = make_colour(tmp_path / "constant.onnx", gain=0)
    with pytest.raises(GateError) as caught:
        verify_engines(colour, constant, data=folder, limit=3)
    flips = caught.value.details["metrics"]["first_flips"]
    assert [flip["reference_class"] for flip in flips] == [1, 2], "one image of each colour; red stays red"


def test_engines_that_cannot_be_compared(colour: Path, tmp_path: Path) -> None:
    for other, message in (
        (make_colour(tmp_path / "large.onnx", size=64), "takes images of 32 pixels and .* of 64"),
        (make_colour(tmp_path / "two.onnx", labels=("red", "green")), "has 3 classes and .* has 2"),
        (make_colour(tmp_path / "names.onnx", labels=("a", "b", "c")), "knows the classes red, green, blue and .* a"),
    ):
        with pytest.raises(UsageError, match=message):
            verify_engines(colour, other)
    numbered = make_colour(tmp_path / "numbered.onnx", labels=("0", "1", "2"))
    assert verify_engines(colour, numbered, limit=3).passed, "numbers are no names"


def test_damaged_and_impossible(colour: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    foreign = tmp_path / "foreign.onnx"
    shutil.copy(colour, foreign)
    with pytest.raises(UsageError, match="no manifest"):
        verify_engines(colour, foreign)
    assert verify_engines(colour, foreign, trust=True).passed
    foreign.write_bytes(colour.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match="not a whole ONNX model"):
        verify_engines(colour, foreign, trust=True)
    with pytest.raises(UsageError, match="does not exist"):
        verify_engines(colour, tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="No image was found"):
        verify_engines(colour, colour, data=empty)
    for atol in (0.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="atol is"):
            verify_engines(colour, colour, atol=atol)
    with pytest.raises(UsageError, match="limit is 0"):
        verify_engines(colour, colour, limit=0)


def test_the_command(colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(colour), str(colour)]) == 0
    assert "top-1 agreement 100.00%, 0 flips" in capsys.readouterr().out
    assert run(["verify", str(colour), str(colour), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["passed"]) == ("ran-deploy.verify/v1", True)
    other = make_colour(tmp_path / "other.onnx", gain=2)
    assert run(["verify", str(colour), str(other), "--json"]) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["exit_code"], error["details"]["passed"]) == (3, False)
    assert error["details"]["metrics"]["max_abs"] == pytest.approx(1)
