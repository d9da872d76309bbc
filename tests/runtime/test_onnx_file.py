from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.runtime.onnx_file import load_onnx, onnx_contract

Shape = list[int | str]


def model(shape: Shape, out: Shape, dtype: int = TensorProto.FLOAT, inputs: int = 1) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(f"x{i}", dtype, shape) for i in range(inputs)]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, out)
    nodes = [helper.make_node("Identity", ["x0"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "g", values, [result]))


def test_float_and_uint8_classifiers_are_understood() -> None:
    contract = onnx_contract(model(["n", 3, 8, 8], ["n", 5]))
    assert (contract.input.layout, contract.input.shape) == ("NCHW", (-1, 3, 8, 8))
    assert contract.labels == ("0", "1", "2", "3", "4")
    contract = onnx_contract(model([2, 8, 8, 3], [2, 5], TensorProto.UINT8))
    assert (contract.input.layout, contract.input.shape) == ("NHWC", (2, 8, 8, 3))
    assert contract.preprocessing.size == 8


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (model(["n", 3, 8, 9], ["n", 5]), r"expected uint8"),
        (model(["n", 1, 8, 8], ["n", 5]), r"expected uint8"),
        (model(["n", 3, "h", "w"], ["n", 5]), r"expected uint8"),
        (model(["n", 3, 8, 8], ["n", 5, 1]), r"expected logits"),
        (model(["n", 3, 8, 8], ["n", 1]), r"expected logits"),
        (model(["n", 3], ["n", 5]), r"expected uint8"),
        (model(["n", 3, 8, 8], ["n", 5], inputs=2), r"2 inputs"),
        (model(["n", 3, 8, 8], ["n", 5], TensorProto.INT64), r"another type"),
    ],
)
def test_what_is_no_classifier_of_images(found: onnx.ModelProto, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        onnx_contract(found)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not an onnx file at all", b"\x08\x0a"])
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"x\.onnx"):
        load_onnx(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_onnx(tmp_path / "no.onnx")
