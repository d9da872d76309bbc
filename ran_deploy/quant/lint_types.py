"""Lint rules on what Q/DQ nodes quantize to, on their pairs, and on the axis of their scales.

What TensorRT makes of each breach was tried with TensorRT-RTX 1.7 on graphs of two convolutions.
"""

from collections.abc import Iterator

import numpy as np
import onnx

from ran_deploy.quant.finding import Finding, finding
from ran_deploy.quant.qdq_view import (
    DEQUANTIZE,
    QUANTIZE,
    RESHAPING,
    TYPE_ONLY,
    WEIGHTED,
    Array,
    GraphView,
    attribute,
    input_name,
    is_operator_format,
    label,
)

_FP8_AND_INT4 = ("float8", "float4", "int4", "uint4")


def types(view: GraphView) -> Iterator[Finding]:
    """Values are quantized to int8 around zero: no uint8, no other width, no zero point."""
    for node in view.of_type(QUANTIZE, DEQUANTIZE):
        kind = view.integer_type(node)
        if kind == "int32" or _is_pair_of_judged(view, node):
            continue  # int32 is a bias, which has a rule of its own
        zero_point = view.constant(input_name(node, 2))
        if zero_point is not None and np.any(zero_point.astype(np.float64) != 0):
            first = zero_point.astype(np.float64)[zero_point.astype(np.float64) != 0].flat[0]
            message = f"The zero point is {first:g} ({kind}); TensorRT's parser takes only 0."
            yield finding("asymmetric", "error", node, message, "Quantize symmetrically, to int8 with zero point 0.")
        elif kind.startswith(_FP8_AND_INT4):
            message = f"It quantizes to {kind}, which only some GPUs have; this lint knows the rules of int8."
            yield finding("other-type", "info", node, message, "Quantize to int8 for every GPU.")
        elif kind != "int8":
            why = "" if zero_point is not None else ": it has no zero point, which ONNX reads as uint8"
            message = f"It quantizes to {kind}{why}. TensorRT has int8 only, and takes uint8 for int8 without a word."
            yield finding("not-int8", "error", node, message, "Quantize to int8 with an int8 zero point of 0.")


def pairs(view: GraphView) -> Iterator[Finding]:
    """Every Q has its DQ with the same scale, and no DQ runs straight into another Q."""
    for node in view.of_type(QUANTIZE):
        readers = {reader.op_type for reader, _ in view.consumers(node, (*RESHAPING, "MaxPool"))}
        if not readers or any(reader != DEQUANTIZE and not is_operator_format(reader) for reader in readers):
            message = "Its integers are read by other nodes than DequantizeLinear."
            yield finding("unpaired", "warning", node, message, "Put a DequantizeLinear with the same scale behind it.")
        before = view.producer(input_name(node, 0), RESHAPING)
        if before is not None and before.op_type == DEQUANTIZE and view.stored(before) is None:
            yield _requantized(view, before, node)
    for node in view.of_type(DEQUANTIZE):
        quantize = view.quantizer(node)
        if quantize is None:
            maker = view.producer(input_name(node, 0), RESHAPING)
            if view.stored(node) is None and not (maker is not None and is_operator_format(maker.op_type)):
                message = "It dequantizes what no QuantizeLinear made."
                yield finding(
                    "unpaired", "warning", node, message, "Put a QuantizeLinear with the same scale in front."
                )
        elif not _same(view, quantize, node):
            message = f"Its scale or zero point is not that of {label(quantize)}: it changes the values' size."
            yield finding("pair-differs", "error", node, message, "Give both the same scale and zero point.")


def _requantized(view: GraphView, before: onnx.NodeProto, node: onnx.NodeProto) -> Finding:
    if _same(view, before, node):
        message = f"It quantizes again, with the same scale, what {label(before)} dequantized."
        return finding("requantized", "info", node, message, "Remove one of the two pairs.")
    message = f"It quantizes again, with another scale, what {label(before)} dequantized: values are rounded twice."
    return finding("requantized", "warning", node, message, "Keep one pair.")


def channels(view: GraphView) -> Iterator[Finding]:
    """Weights have a scale for each output channel, activations one in all."""
    for node in view.of_type(*WEIGHTED):
        for index in (0, 1):
            dequantize = view.dequantizer(input_name(node, index))
            scale = view.constant(input_name(dequantize, 1)) if dequantize is not None else None
            if dequantize is None or scale is None:
                continue
            stored = view.stored(dequantize)
            weights = view.constant(stored) if stored is not None else None
            if weights is not None:
                yield from _weight_axis(node, dequantize, scale, weights, _output_axis(view, node, index, weights.ndim))
            elif scale.size > 1:
                message = f"The activation has {scale.size} scales; {node.op_type} {label(node)} then runs in float."
                fix = "Use one scale for the activation."
                yield finding("activation-per-channel", "error", dequantize, message, fix)


def _weight_axis(
    node: onnx.NodeProto, dequantize: onnx.NodeProto, scale: Array, weights: Array, wanted: int
) -> Iterator[Finding]:
    if weights.ndim < 2:
        return
    axis = attribute(dequantize, "axis", 1) % weights.ndim
    if scale.size == 1 and weights.shape[wanted] > 1:
        message = f"The weights of {label(node)} have one scale in all: channels with small weights lose most bits."
        fix = "Use a scale for each output channel."
        yield finding("weights-per-tensor", "warning", dequantize, message, fix)
    elif scale.size > 1 and axis != wanted:
        message = f"The weights of {label(node)} have a scale along axis {axis}; {node.op_type} then runs in float."
        fix = f"Quantize along axis {wanted}, the output channels."
        yield finding("weights-axis", "error", dequantize, message, fix)


def _output_axis(view: GraphView, node: onnx.NodeProto, index: int, rank: int) -> int:
    """The axis of the stored weights that runs over a node's output channels."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return int(node.op_type == "ConvTranspose")
    if node.op_type == "Gemm":
        axis = 1 - attribute(node, "transB", 0) if index == 1 else attribute(node, "transA", 0)
    else:
        axis = rank - 1 if index == 1 else rank - 2
    between = view.producer(input_name(node, index), TYPE_ONLY)
    return 1 - axis if rank == 2 and between is not None and between.op_type == "Transpose" else axis


def _same(view: GraphView, first: onnx.NodeProto, second: onnx.NodeProto) -> bool:
    one, other = (view.constant(input_name(node, 1)) for node in (first, second))
    if one is None or other is None:
        return input_name(first, 1) == input_name(second, 1)
    zeros = [view.constant(input_name(node, 2)) for node in (first, second)]
    shifts = [np.zeros(1) if zero is None else zero.astype(np.float64).reshape(-1) for zero in zeros]
    close = np.array_equal(one.reshape(-1), other.reshape(-1), equal_nan=True)
    return close and (np.array_equal(shifts[0], shifts[1]) or not (shifts[0].any() or shifts[1].any()))


def _is_pair_of_judged(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether a DQ only repeats the type and zero point of its Q, which is judged itself."""
    if node.op_type != DEQUANTIZE:
        return False
    quantize = view.quantizer(node)
    return quantize is not None and _same(view, quantize, node)
