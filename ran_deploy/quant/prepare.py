"""Bringing an ONNX graph into the form that the precision passes work on."""

from collections.abc import Iterable

import onnx
from onnx import TensorProto

from ran_deploy.errors import UsageError

_MIN_OPSET = 13


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which every node has a name of its own and constants are initializers.

    Raises:
        UsageError: The model cannot be converted: old opset, subgraphs, functions, Q/DQ, or float16 already.
    """
    _check(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes = []
    taken: set[str] = set()
    for index, node in enumerate(result.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)
        tensor = node.attribute[0].t if node.op_type == "Constant" and node.attribute[0].name == "value" else None
        if tensor is None:
            nodes.append(node)
        else:
            tensor.name = node.output[0]
            result.graph.initializer.append(tensor)
    replace_all(result.graph.node, nodes)
    return result


def replace_all(field: object, items: Iterable[object]) -> None:
    """Put ``items`` into a repeated protobuf field in place of what it holds."""
    kept = list(items)
    del field[:]  # type: ignore[attr-defined]
    field.extend(kept)  # type: ignore[attr-defined]


def _check(model: onnx.ModelProto) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < _MIN_OPSET:
        raise UsageError(
            f"The model has opset {opset}; float16 needs {_MIN_OPSET} or newer.",
            fix="Export it again with opset 20: ran-deploy export",
        )
    types = {tensor.data_type for tensor in model.graph.initializer}
    operators = {node.op_type for node in model.graph.node}
    if operators & {"QuantizeLinear", "DequantizeLinear"}:
        raise UsageError("The model is quantized already (it has Q/DQ nodes).", fix="Give the float32 model.")
    if types & {TensorProto.FLOAT16, TensorProto.BFLOAT16}:
        raise UsageError("The model has float16 weights already.", fix="Give the float32 model.")
    has_graphs = any(attribute.HasField("g") for node in model.graph.node for attribute in node.attribute)
    if model.functions or has_graphs:
        raise UsageError("The model has functions or subgraphs.", fix="Export it with: ran-deploy export")
