"""Classifiers as other exporters write them, made by hand: float32 NCHW, other names, a fixed batch, old opsets."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES, SIZE = 10, 32


def token_classifier(*, batch: int | str = 1, opset: int = 17, size: int | str = SIZE) -> onnx.ModelProto:
    """Patches, a class token that the exporter has computed from its shape, a fixed Reshape: a small ViT's skeleton."""
    rng = np.random.default_rng(5)
    first = batch if isinstance(batch, int) else 0
    tensors: dict[str, npt.NDArray[Any]] = {
        "patch": rng.normal(size=(8, 3, 8, 8)).astype(np.float32) / 14,
        "token": rng.normal(size=(1, 1, 8)).astype(np.float32),
        "rows": np.array([first, 8, 16], np.int64),
        "expanded": np.array([1, 1, 8], np.int64),
        "mixed": rng.normal(size=(8, 8)).astype(np.float32) / 3,
        "head": rng.normal(size=(8, CLASSES)).astype(np.float32) / 3,
        "bias": rng.normal(size=CLASSES).astype(np.float32),
        "first": np.array(0, np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["input.1", "patch"], ["patches"], name="embed", strides=[8, 8]),
        node("Reshape", ["patches", "rows"], ["flat"], name="flatten"),
        node("Transpose", ["flat"], ["tokens"], name="swap", perm=[0, 2, 1]),
        node("Expand", ["token", "expanded"], ["cls"], name="expand"),
        node("Concat", ["cls", "tokens"], ["all"], name="prepend", axis=1),
        node("MatMul", ["all", "mixed"], ["features"], name="mix"),
        node("Softmax", ["features"], ["soft"], name="softmax", axis=-1),
        node("Gather", ["soft", "first"], ["picked"], name="pick", axis=1),
        node("Gemm", ["picked", "head", "bias"], ["prob"], name="head"),
    ]
    if isinstance(batch, str):  # as an exporter of a dynamic batch would: nothing to expand
        nodes = [entry for entry in nodes if entry.name not in ("expand", "prepend")]
        nodes[3].input[0] = "tokens"
        del tensors["token"], tensors["expanded"]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model, without a manifest."""
    onnx.save(model, path)
    return path
