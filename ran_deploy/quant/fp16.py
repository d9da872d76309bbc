"""Float16 as a rewrite of the ONNX graph: the form in which every TensorRT since 11 takes its precision.

Why not ``onnxruntime.transformers.float16``: it clamps weights outside float16's range without a word, leaves
the nodes unsorted, and puts a cast around every node of a block list instead of around the block (on
Attention-92 17 casts more than this pass, six of them of the same name).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ran_deploy.errors import UsageError
from ran_deploy.quant.prepare import prepare, replace_all

HALF_MAX = 65504.0
"""Largest finite float16."""
_HALF_MIN_NORMAL = 2.0**-14
_NORMALIZATION = ("Cast", "Transpose", "Mul", "Add", "Sub", "Div")
# Inputs that stay float32 whatever the node computes in: an operator's parameters, not its data.
_FLOAT_INPUTS = {"Resize": (1, 2)}
# Their output's type is fixed by an attribute, or they exist for another precision.
_NEVER_HALF = ("Cast", "ConstantOfShape", "EyeLike", "RandomNormal", "RandomUniform")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightReport:
    """What float16 does to the weights of a model."""

    overflowing: tuple[str, ...]
    """Nodes with a weight that is not finite in float16; they stay in float32."""
    underflowing: int
    """Weights that are not zero but become zero in float16."""
    subnormal: int
    """Weights that become subnormal in float16: they keep fewer than 11 significant bits."""


def to_fp16(model: onnx.ModelProto, keep: frozenset[str] = frozenset()) -> onnx.ModelProto:
    """Return a copy of ``model`` that computes in float16, with the same inputs and outputs.

    The normalization in front of the first other node stays in float32, so that the images lose nothing before
    one cast. Nodes named in ``keep``, and nodes whose weights leave float16's range, stay in float32. Each value
    is cast at most once, where the precision changes; nodes stay in topological order.

    Args:
        model: A float32 model of opset 13 or newer, without subgraphs, functions or Q/DQ nodes.
        keep: Names of nodes that stay in float32.

    Raises:
        UsageError: The model is not of that kind, or ``keep`` names a node that it lacks.
    """
    result = prepare(model)
    names = {node.name for node in result.graph.node}
    if unknown := sorted(keep - names):
        raise UsageError(f"The model has no node named {', '.join(unknown)}.", fix="Name nodes of this model to keep.")
    kept = keep | set(normalization_nodes(result)) | set(weight_report(result).overflowing)
    floats = _float_values(result)
    half = {
        node.name
        for node in result.graph.node
        if node.name not in kept
        and node.op_type not in _NEVER_HALF
        and floats.intersection((*node.input, *node.output))
    }
    _rewrite(result, half, floats)
    inferred = shape_inference.infer_shapes(result, check_type=True, strict_mode=True)
    onnx.checker.check_model(inferred, full_check=True)
    return inferred


def normalization_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of the cast, transpose and arithmetic that depend on nothing but the model's inputs."""
    known = {value.name for value in model.graph.input} | {tensor.name for tensor in model.graph.initializer} | {""}
    found = []
    for node in model.graph.node:
        if node.op_type in _NORMALIZATION and known.issuperset(node.input):
            found.append(node.name)
            known.update(node.output)
    return tuple(found)


def weight_report(model: onnx.ModelProto) -> WeightReport:
    """Look at every float32 weight that float16 would change beyond rounding."""
    overflowing: list[str] = []
    underflowing = subnormal = 0
    weights = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    skipped = set(normalization_nodes(model))
    for node in model.graph.node:
        if node.name in skipped:
            continue
        for name in _data_inputs(node):
            if name not in weights:
                continue
            values = np.abs(numpy_helper.to_array(weights[name]).astype(np.float64))
            if not np.all(values <= HALF_MAX):
                overflowing.append(node.name)
                break
            rounded = values.astype(np.float16)
            underflowing += int(np.count_nonzero((values > 0) & (rounded == 0)))
            subnormal += int(np.count_nonzero((rounded > 0) & (rounded < _HALF_MIN_NORMAL)))
    return WeightReport(overflowing=tuple(overflowing), underflowing=underflowing, subnormal=subnormal)


def _float_values(model: onnx.ModelProto) -> set[str]:
    try:
        graph = shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    except (shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(f"The model's types do not fit: {reason}.", fix="Export it with: ran-deploy export") from error
    values = (*graph.input, *graph.value_info, *graph.output)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _data_inputs(node: onnx.NodeProto) -> Iterator[str]:
    fixed = _FLOAT_INPUTS.get(node.op_type, ())
    return (name for index, name in enumerate(node.input) if name and index not in fixed)


def _rewrite(model: onnx.ModelProto, half: set[str], floats: set[str]) -> None:
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    is_half: set[str] = set()
    converted: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []

    def wanted(name: str, *, as_half: bool) -> str:
        if name not in floats or (name in is_half) == as_half:
            return name
        suffix, kind = ("fp16", TensorProto.FLOAT16) if as_half else ("fp32", TensorProto.FLOAT)
        key = f"{name}_{suffix}"
        if key not in converted:
            converted[key] = name
            if name in weights:
                graph.initializer.append(_half_tensor(weights[name], key))
            else:
                nodes.append(helper.make_node("Cast", [name], [key], name=f"{key}_cast", to=kind))
        return key

    for node in graph.node:
        as_half = node.name in half
        fixed = _FLOAT_INPUTS.get(node.op_type, ())
        for index, name in enumerate(node.input):
            node.input[index] = wanted(name, as_half=as_half and index not in fixed)
        nodes.append(node)
        if not as_half:
            continue
        for index, name in enumerate(node.output):
            if name in outputs:  # the output's name and type stay: a cast writes it
                node.output[index] = f"{name}_fp16"
                nodes.append(
                    helper.make_node("Cast", [f"{name}_fp16"], [name], name=f"{name}_cast", to=TensorProto.FLOAT)
                )
                converted[f"{name}_fp16"] = name
            elif name in floats:
                is_half.add(name)
    replace_all(graph.node, nodes)
    used = {name for node in nodes for name in node.input} | outputs
    replace_all(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    del graph.value_info[:]


def _half_tensor(tensor: TensorProto, name: str) -> TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name)
