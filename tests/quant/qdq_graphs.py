"""Small Q/DQ graphs made by hand, sound and broken."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 4
SCALE, ZERO = np.float32(0.05), np.int8(0)


class Graph:
    """Builds a float32 model with the input "x", [N, 4, 8, 8]."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)

    def constant(self, value: Any) -> str:
        name = f"c{len(self._tensors)}"
        self._tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(self, *shape: int) -> np.ndarray:
        return self._rng.normal(size=shape).astype(np.float32)

    def op(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        index = len(self._nodes)
        node = helper.make_node(operator, inputs, [f"v{index}"], name=name or f"{operator}_{index}", **attributes)
        self._nodes.append(node)
        return str(node.output[0])

    def qdq(
        self,
        value: str,
        scale: Any = SCALE,
        zero: Any = ZERO,
        *,
        back: Any = None,
        name: str = "",
        **where: int,
    ) -> str:
        """Quantize and dequantize; ``back``: another scale for the way back."""
        scales, zeros = self.constant(scale), self.constant(zero)
        other = scales if back is None else self.constant(back)
        quantized = self.op("QuantizeLinear", value, scales, zeros, name=name and f"{name}_q", **where)
        return self.op("DequantizeLinear", quantized, other, zeros, name=name and f"{name}_dq", **where)

    def weights(self, *shape: int, axis: int = 0, gain: float = 1.0, name: str = "") -> str:
        """Weights with a scale for each channel of ``axis``, ``gain`` times what fits."""
        values = self.random(*(shape or (CHANNELS, CHANNELS, 3, 3)))
        others = tuple(place for place in range(values.ndim) if place != axis)
        scale = (np.abs(values).max(axis=others) / 127 * gain).astype(np.float32)
        return self.qdq(self.constant(values), scale, np.zeros(scale.shape, np.int8), name=name, axis=axis)

    def conv(self, value: str, weights: str | None = None, bias: str | None = None, name: str = "") -> str:
        inputs = (value, weights or self.weights(), *([bias] if bias else []))
        return self.op("Conv", *inputs, name=name, pads=[1] * 4)

    def model(self, output: str, opset: int = 20) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "by-hand",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", CHANNELS, 8, 8])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self._tensors,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def sound() -> onnx.ModelProto:
    """Convolutions, a residual add, a pool, an upsampling and a classifier, placed as TensorRT wants it."""
    g = Graph()
    stem = g.op("Relu", g.conv(g.qdq("x")))
    inner = g.op("Relu", g.conv(g.qdq(stem)))
    added = g.op("Add", g.conv(g.qdq(inner)), g.qdq(stem))
    pooled = g.op("MaxPool", g.qdq(added), kernel_shape=[2, 2], strides=[2, 2])
    grown = g.op("Resize", g.qdq(pooled), "", g.constant(np.array([1, 1, 2, 2], np.float32)), mode="linear")
    mixed = g.op("Mul", g.op("Sigmoid", g.conv(g.qdq(grown))), g.qdq(added))
    features = g.op("Flatten", g.op("GlobalAveragePool", mixed))
    return g.model(g.op("Gemm", g.qdq(features), g.weights(10, CHANNELS), transB=1))
