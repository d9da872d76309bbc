"""A Q/DQ model as a graph to ask questions of: who makes a value, who reads it, what is constant."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Array = npt.NDArray[Any]

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that TensorRT computes in INT8 when their inputs come from Q/DQ."""
TYPE_ONLY = ("Cast", "Identity")
RESHAPING = (*TYPE_ONLY, "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that commute with per-tensor Q/DQ."""
_INTEGER_OPERATORS = ("QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")


class GraphView:
    """Look-ups over the main graph of a model, which need not be valid.

    Args:
        model: Any ONNX model.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = tuple(model.graph.node)
        self.opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
        self.outputs = {value.name for value in model.graph.output}
        self._producers = {name: node for node in self.nodes for name in node.output if name}
        self._consumers: dict[str, list[tuple[onnx.NodeProto, int]]] = defaultdict(list)
        for node in self.nodes:
            for index, name in enumerate(node.input):
                if name:
                    self._consumers[name].append((node, index))
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in self.nodes:
            value = next((item for item in node.attribute if item.name == "value"), None)
            if node.op_type == "Constant" and value is not None and node.output:
                tensors[node.output[0]] = value.t
        self._tensors = tensors
        self.constant: Callable[[str], Array | None] = lru_cache(maxsize=64)(self._constant)

    def _constant(self, name: str) -> Array | None:
        return numpy_helper.to_array(self._tensors[name]) if name in self._tensors else None

    def is_constant(self, name: str) -> bool:
        """Whether a value is an initializer or the output of a Constant node."""
        return name in self._tensors

    def of_type(self, *operators: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes with one of the operators."""
        return (node for node in self.nodes if node.op_type in operators)

    def producer(self, name: str, through: tuple[str, ...] = ()) -> onnx.NodeProto | None:
        """Return the node that makes a value, looking back through nodes of the operators ``through``."""
        for _ in range(len(self.nodes) + 1):  # ends on a graph with a cycle too
            node = self._producers.get(name)
            if node is None or node.op_type not in through or not node.input:
                return node
            name = node.input[0]
        return None

    def consumers(self, node: onnx.NodeProto, through: tuple[str, ...] = ()) -> list[tuple[onnx.NodeProto, int]]:
        """Return the readers of a node's first output and at which input, looking on through ``through``."""
        found, pending, seen = [], [first_output(node)], set()
        while pending:
            name = pending.pop()
            for reader, index in self._consumers.get(name, []):
                if reader.op_type not in through:
                    found.append((reader, index))
                elif reader.output and reader.output[0] not in seen:
                    seen.add(reader.output[0])
                    pending.append(reader.output[0])
        return found

    def dequantizer(self, name: str) -> onnx.NodeProto | None:
        """Return the DequantizeLinear that a value comes from, if it does."""
        node = self.producer(name, RESHAPING)
        return node if node is not None and node.op_type == DEQUANTIZE else None

    def quantizer(self, dequantize: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return the QuantizeLinear in front of a DequantizeLinear; None for stored integers or an unpaired one."""
        node = self.producer(input_name(dequantize, 0), (*RESHAPING, "MaxPool"))
        return node if node is not None and node.op_type == QUANTIZE else None

    def stored(self, dequantize: onnx.NodeProto) -> str | None:
        """Return the name of the constant that a DequantizeLinear brings back, float or integer; else None."""
        quantize = self.quantizer(dequantize)
        name = input_name(quantize if quantize is not None else dequantize, 0)
        return name if self.is_constant(name) else None

    def is_activation(self, name: str) -> bool:
        """Whether a value depends on the model's input: neither a constant nor a constant behind Q/DQ."""
        if self.is_constant(name):
            return False
        dequantize = self.dequantizer(name)
        return dequantize is None or self.stored(dequantize) is None

    def integer_type(self, node: onnx.NodeProto) -> str:
        """Return the type that a Q or DQ node quantizes to: that of its zero point, its attribute or its input."""
        zero_point = self.constant(input_name(node, 2))
        if zero_point is not None:
            return str(zero_point.dtype)
        wanted = attribute(node, "output_dtype", 0) if node.op_type == QUANTIZE else 0
        if wanted:
            return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(wanted)))
        integers = self.constant(input_name(node, 0)) if node.op_type == DEQUANTIZE else None
        if integers is not None:
            return str(integers.dtype)
        quantize = self.quantizer(node) if node.op_type == DEQUANTIZE else None
        return self.integer_type(quantize) if quantize is not None else "uint8"


def is_quantized(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether a node is a convolution or product whose both inputs come from Q/DQ."""
    return node.op_type in WEIGHTED and all(view.dequantizer(input_name(node, index)) for index in (0, 1))


def is_operator_format(operator: str) -> bool:
    """Whether an operator computes on integers itself, instead of standing between Q/DQ nodes."""
    return operator.startswith("QLinear") or operator in _INTEGER_OPERATORS


def input_name(node: onnx.NodeProto, index: int) -> str:
    """Return the name of a node's input; empty where it is left out."""
    return str(node.input[index]) if index < len(node.input) else ""


def first_output(node: onnx.NodeProto) -> str:
    """Return the name of a node's first output; empty where it has none."""
    return str(node.output[0]) if node.output else ""


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """Return a whole-number attribute of a node."""
    return next((int(item.i) for item in node.attribute if item.name == name), default)


def label(node: onnx.NodeProto) -> str:
    """Return a node's name, or for an unnamed node its operator and first output."""
    return node.name or f"{node.op_type} → {first_output(node)}"
