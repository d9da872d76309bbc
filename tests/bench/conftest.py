"""A tiny engine: its logits are the mean R, G and B of an image."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ran_deploy.manifest import DYNAMIC, Contract, Manifest, Precision, Preprocessing, TensorSpec, publish

MakeEngine = Callable[..., Path]


@pytest.fixture
def make_engine(tmp_path: Path) -> MakeEngine:
    def make(batch: int = DYNAMIC) -> Path:
        side: int | str = "batch" if batch == DYNAMIC else batch
        graph = helper.make_graph(
            [
                helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
                helper.make_node("ReduceMean", ["pixels", "axes"], ["logits"], keepdims=0),
            ],
            "means",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, [side, 4, 4, 3])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [side, 3])],
            [onnx.numpy_helper.from_array(np.array([1, 2]), "axes")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        manifest = Manifest(
            kind="onnx",
            arch=None,
            dataset=None,
            contract=Contract(
                input=TensorSpec(name="images", dtype="uint8", shape=(batch, 4, 4, 3), layout="NHWC"),
                output=TensorSpec(name="logits", dtype="float32", shape=(batch, 3), layout="NC"),
                preprocessing=Preprocessing(resize=None, size=4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
                labels=("red", "green", "blue"),
            ),
            precision=Precision(asked="fp32"),
            parents=(),
            key="test",
        )
        path = tmp_path / "means.onnx"
        publish(path, lambda target: onnx.save(model, target), manifest)
        return path

    return make
