"""Q/DQ nodes put into a float graph: int8, symmetric, weights by output channel, one pair for each activation."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ran_deploy.errors import UsageError
from ran_deploy.quant.placement import Placement
from ran_deploy.quant.prepare import replace_all

STEPS = 127
"""int8 from -127 to 127: symmetric, so that the zero point is 0."""
HALF_SCALES_OPSET = 19
_ZERO = "int8_zero"
REDUCED_STEPS = 63
"""Of weights in 7 bits: two products of them and of 8-bit activations add up to no more than 16 bits hold."""
_SMALLEST_HALF = 2.0**-14
"""The smallest normal float16; a scale below it would lose bits."""


def insert_qdq(
    model: onnx.ModelProto, placement: Placement, ranges: Mapping[str, float], *, weight_steps: int = STEPS
) -> onnx.ModelProto:
    """Return a copy of ``model`` with Q/DQ at the places of ``placement``.

    Weights are stored as int8 with a DequantizeLinear for each output channel; biases stay in float.

    Args:
        model: The prepared float model, or its float16 form, in which nodes have the same names.
        placement: Where, in terms of the float model.
        ranges: Largest magnitude to represent, by activation; an activation that was always 0 may have 0.
        weight_steps: Largest magnitude of a quantized weight.

    Raises:
        UsageError: A float16 value is quantized and the opset is too old for float16 scales.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    types = _types(result)
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializer):
        require_half_scales(result)
    nodes = {node.name: node for node in graph.node}
    graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), _ZERO))
    behind: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for name, readers in placement.readers.items():
        amax = ranges[placement.source(name)]
        for node, index in readers:
            actual = nodes[node].input[index]  # in a float16 model perhaps a cast of the value
            if actual not in behind:
                behind[actual] = _pair(graph, actual, amax / STEPS if amax > 0 else 1 / STEPS, types[actual])
            nodes[node].input[index] = f"{actual}_dq"
    weights = {tensor.name: tensor for tensor in graph.initializer}
    dequantizers: dict[str, onnx.NodeProto] = {}
    for name in placement.weighted:
        stored, axis = nodes[name].input[1], output_axis(nodes[name])
        key = f"{stored}_dq{axis}"
        if key not in dequantizers:
            dequantizers[key] = _weights(graph, weights[stored], key, axis, weight_steps)
        nodes[name].input[1] = key
    made = [node for value in graph.input for node in behind.get(value.name, ())]
    for node in graph.node:
        made.append(node)
        made.extend(pair for name in node.output for pair in behind.get(name, ()))
    replace_all(graph.node, [*dequantizers.values(), *made])
    used = {name for node in graph.node for name in node.input}
    replace_all(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    del graph.value_info[:]
    inferred = shape_inference.infer_shapes(result, check_type=True, strict_mode=True)
    onnx.checker.check_model(inferred, full_check=True)
    return inferred


def require_half_scales(model: onnx.ModelProto) -> None:
    """Check that a model's opset allows Q/DQ with float16 scales.

    Raises:
        UsageError: It is older than 19.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < HALF_SCALES_OPSET:
        raise UsageError(
            f"The model has opset {opset}; float16 scales need {HALF_SCALES_OPSET} or newer.",
            fix="Export it again with opset 20 (ran-deploy export), or leave --high-precision at fp32.",
        )


def quantize_weights(
    values: npt.NDArray[Any], axis: int, steps: int = STEPS
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Quantize weights symmetrically with one scale for each channel along ``axis``, the largest weight at ``steps``.

    Returns:
        int8 of the same shape, and the scales, [channels]; 1/steps for a channel of zeros.
    """
    exact = values.astype(np.float64)
    others = tuple(place for place in range(exact.ndim) if place != axis)
    largest = np.abs(exact).max(axis=others)
    scales = _storable(np.where(largest > 0, largest, 1.0) / steps, values.dtype)
    shape = [-1 if place == axis else 1 for place in range(exact.ndim)]
    rounded = np.rint(exact / scales.reshape(shape))
    return np.clip(rounded, -steps, steps).astype(np.int8), scales


def output_axis(node: onnx.NodeProto) -> int:
    """Return the axis of a node's weights that counts its output channels."""
    if node.op_type == "Gemm":
        transposed = next((item.i for item in node.attribute if item.name == "transB"), 0)
        return 0 if transposed else 1
    return 0 if node.op_type == "Conv" else 1


def _storable(scales: npt.NDArray[np.float64], dtype: npt.DTypeLike) -> npt.NDArray[np.float64]:
    """Round scales to the type that they are stored in, so that steps are counted with what the runtime will use."""
    if np.dtype(dtype) == np.float16:
        scales = np.maximum(scales, _SMALLEST_HALF)
    return scales.astype(dtype).astype(np.float64)


def _pair(graph: onnx.GraphProto, name: str, scale: float, kind: int) -> list[onnx.NodeProto]:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    stored = _storable(np.array(scale), dtype).astype(dtype)
    graph.initializer.append(numpy_helper.from_array(stored, f"{name}_scale"))
    rest = [f"{name}_scale", _ZERO]
    return [
        helper.make_node("QuantizeLinear", [name, *rest], [f"{name}_q"], name=f"{name}/QuantizeLinear"),
        helper.make_node("DequantizeLinear", [f"{name}_q", *rest], [f"{name}_dq"], name=f"{name}/DequantizeLinear"),
    ]


def _weights(graph: onnx.GraphProto, tensor: TensorProto, output: str, axis: int, most_steps: int) -> onnx.NodeProto:
    values = numpy_helper.to_array(tensor)
    steps, scales = quantize_weights(values, axis, most_steps)
    integers, scale, zero = f"{output}_int8", f"{output}_scale", f"{output}_zero"
    graph.initializer.extend(
        (
            numpy_helper.from_array(steps, integers),
            numpy_helper.from_array(scales.astype(values.dtype), scale),
            numpy_helper.from_array(np.zeros(len(scales), np.int8), zero),
        )
    )
    return helper.make_node(
        "DequantizeLinear", [integers, scale, zero], [output], name=f"{tensor.name}/DequantizeLinear", axis=axis
    )


def _types(model: onnx.ModelProto) -> dict[str, int]:
    graph = shape_inference.infer_shapes(model).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
