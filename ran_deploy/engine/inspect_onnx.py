"""What an ONNX file says of itself, whoever made it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference

from ran_deploy.profiling.graph import read_graph
from ran_deploy.quant.qdq_view import DEQUANTIZE, QUANTIZE, WEIGHTED, GraphView, first_output, is_quantized

UNKNOWN = "unknown"
_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An input or output of a graph."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    """Sides; a name, or "?" without one, for those that are dynamic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFacts:
    """A model as its graph is."""

    ir_version: int
    opset: int
    producer: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: dict[str, int]
    """Number of nodes by operator, the most frequent first."""
    parameters: int
    """Stored weights: elements of constants, without Q/DQ's scales and zero points and without integers."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, as ``ran-deploy archs`` counts; None where
    the shapes of one are unknown."""
    compute: dict[str, dict[str, int]]
    """By operator with weights: number of nodes by the type that they compute in, such as "int8"."""


def onnx_facts(model: onnx.ModelProto) -> OnnxFacts:
    """Read the facts of a model that has been checked."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    view = GraphView(model)
    return OnnxFacts(
        ir_version=int(model.ir_version),
        opset=view.opset,
        producer=f"{model.producer_name} {model.producer_version}".strip() or UNKNOWN,
        inputs=tuple(_value(item) for item in graph.input if item.name not in constants),
        outputs=tuple(_value(item) for item in graph.output),
        operators=dict(Counter(node.op_type for node in graph.node).most_common()),
        parameters=_parameters(model),
        macs=_macs(model),
        compute=_compute(model, view),
    )


def _value(item: onnx.ValueInfoProto) -> Value:
    tensor = item.type.tensor_type
    sides = (side.dim_value if side.HasField("dim_value") else side.dim_param or "?" for side in tensor.shape.dim)
    return Value(name=item.name, dtype=_dtype(tensor.elem_type), shape=tuple(sides))


def _dtype(kind: int) -> str:
    return UNKNOWN if kind == TensorProto.UNDEFINED else str(helper.tensor_dtype_to_np_dtype(kind))


def _parameters(model: onnx.ModelProto) -> int:
    """Count weights: float constants, and int8 ones that are dequantized."""
    scaling = {name for node in model.graph.node if node.op_type in (QUANTIZE, DEQUANTIZE) for name in node.input[1:]}
    dequantized = {node.input[0] for node in model.graph.node if node.op_type == DEQUANTIZE}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    return sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if tensor.name not in scaling and (tensor.data_type in floats or tensor.name in dequantized)
    )


def _macs(model: onnx.ModelProto) -> int | None:
    try:
        graph = read_graph(model, 1)
    except (shape_inference.InferenceError, ValueError):  # ValueError: above protobuf's 2 GiB
        return None
    unsized = set(graph.unsized)
    uncounted = any(
        node.op == "ConvTranspose" or (node.op in WEIGHTED and node.name in unsized) for node in graph.nodes
    )
    return None if uncounted else sum(node.macs for node in graph.nodes)


def _compute(model: onnx.ModelProto, view: GraphView) -> dict[str, dict[str, int]]:
    """Say what each node with weights computes in: int8 where both inputs come from Q/DQ, else its output's type."""
    try:
        graph = shape_inference.infer_shapes(model).graph
    except (shape_inference.InferenceError, ValueError):  # ValueError: above protobuf's 2 GiB
        graph = model.graph
    types = {item.name: _dtype(item.type.tensor_type.elem_type) for item in (*graph.value_info, *graph.output)}
    counts: dict[str, Counter[str]] = {}
    for node in view.of_type(*WEIGHTED):
        plain = types.get(first_output(node), UNKNOWN)
        kind = "int8" if is_quantized(view, node) else _NAMES.get(plain, plain)
        counts.setdefault(node.op_type, Counter())[kind] += 1
    return {operator: dict(sorted(found.items())) for operator, found in counts.items()}
