"""The nodes that carry a network's arithmetic, and the type that an ONNX graph gives them."""

from collections import Counter

import onnx
from onnx import TensorProto

COMPUTE_OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
UNKNOWN = "unknown"
_TYPES = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.INT8: "int8",
}


def compute_operators(model: onnx.ModelProto) -> dict[str, str]:
    """Return the operator of each compute node, by the node's name."""
    return {node.name: node.op_type for node in model.graph.node if node.op_type in COMPUTE_OPERATORS}


def compute_types(model: onnx.ModelProto) -> dict[str, int]:
    """Count the compute nodes by the type of their weights; int8 where they come from Q/DQ."""
    return dict(sorted(Counter(types_by_node(model).values()).items()))


def types_by_node(model: onnx.ModelProto) -> dict[str, str]:
    """Return the type of each compute node's weights, by the node's name; int8 where they come from Q/DQ."""
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in types:
            zero_point = node.input[2] if len(node.input) > 2 else ""
            types[node.output[0]] = types.get(zero_point, TensorProto.UINT8)
        elif node.op_type == "DequantizeLinear" and node.input[0] in types:
            types[node.output[0]] = types[node.input[0]]
    return {
        node.name: _TYPES.get(types.get(node.input[1], TensorProto.UNDEFINED), UNKNOWN)
        for node in model.graph.node
        if node.op_type in COMPUTE_OPERATORS
    }
