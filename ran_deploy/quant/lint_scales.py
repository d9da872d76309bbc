"""Lint rules on the scales of Q/DQ nodes: that they are usable numbers, and that weights fit them.

What TensorRT makes of each breach was tried with TensorRT-RTX 1.7 on graphs of two convolutions.
"""

from collections.abc import Iterator

import numpy as np
import onnx

from ran_deploy.quant.finding import Finding, finding
from ran_deploy.quant.qdq_view import (
    DEQUANTIZE,
    QUANTIZE,
    Array,
    GraphView,
    attribute,
    input_name,
)

_HALF_MIN_NORMAL = 2.0**-14
_HALF_SCALES_OPSET = 19
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-12, 1e6
_STEPS = 127
_CLIP_TOLERANCE = 1.01
_USED_STEPS = 32
"""Weights that reach fewer steps than this of 127 have lost two bits."""


def scales(view: GraphView) -> Iterator[Finding]:
    """Scales must be constants, positive and finite, and of a size that an activation can have."""
    for node in view.of_type(QUANTIZE, DEQUANTIZE):
        name = input_name(node, 1)
        quantize = view.quantizer(node) if node.op_type == DEQUANTIZE else None
        if quantize is not None and input_name(quantize, 1) == name:
            continue  # said of its QuantizeLinear
        scale = view.constant(name)
        if scale is None:
            message = f"The scale {name!r} is computed at run time; TensorRT's parser needs a constant (it may crash)."
            yield finding("scale-dynamic", "error", node, message, "Calibrate, and store the scale as an initializer.")
            continue
        values = scale.astype(np.float64)
        if not np.all(np.isfinite(values)) or np.any(values <= 0):
            bad = values[~np.isfinite(values) | (values <= 0)].flat[0]
            message = f"The scale is {bad:g}; expected a positive finite number."
            yield finding(
                "scale-invalid", "error", node, message, "Calibrate again; look for dead or overflowing values."
            )
        elif values.size == 1 and not _SMALLEST_SCALE <= values.flat[0] <= _LARGEST_SCALE:
            message = f"The scale {values.flat[0]:g} is not one of real activations: only zeros or overflow were seen."
            yield finding(
                "scale-absurd", "warning", node, message, "Calibrate on real images, or leave this value in float."
            )
        if scale.dtype == np.float16:
            yield from _half_scale(view, node, values)


def _half_scale(view: GraphView, node: onnx.NodeProto, values: Array) -> Iterator[Finding]:
    if view.opset < _HALF_SCALES_OPSET:
        message = (
            f"The scale is float16, which ONNX allows from opset {_HALF_SCALES_OPSET}; the model has {view.opset}."
        )
        yield finding(
            "fp16-scale-opset", "error", node, message, "Export with opset 20, or keep the scales in float32."
        )
    if np.any((values > 0) & (values < _HALF_MIN_NORMAL)):
        message = "The float16 scale is subnormal: it has lost significant bits."
        yield finding("fp16-scale-subnormal", "warning", node, message, "Keep the scales in float32.")


def weight_ranges(view: GraphView) -> Iterator[Finding]:
    """A weight's scale fits its weights: nothing clipped, and the 8 bits used."""
    for node in view.of_type(QUANTIZE):
        weights, scale = view.constant(input_name(node, 0)), view.constant(input_name(node, 1))
        if weights is None or scale is None or weights.ndim < 2 or not np.all((scale > 0) & np.isfinite(scale)):
            continue
        axis = attribute(node, "axis", 1) % weights.ndim
        if scale.size not in (1, weights.shape[axis]):
            message = f"It has {scale.size} scales for {weights.shape[axis]} channels along axis {axis}."
            yield finding("scale-count", "error", node, message, "Give one scale for each channel, or one in all.")
            continue
        others = tuple(place for place in range(weights.ndim) if scale.size == 1 or place != axis)
        largest = np.abs(weights.astype(np.float64)).max(axis=others).reshape(-1)
        steps = largest / scale.astype(np.float64).reshape(-1)
        clipped, coarse = steps > _STEPS * _CLIP_TOLERANCE + 1, (steps < _USED_STEPS) & (largest > 0)
        if np.any(clipped):
            message = f"{_count(clipped)} reach {steps.max():.0f} steps of {_STEPS}: the largest weights are clipped."
            yield finding("weights-clipped", "warning", node, message, "Set the scale to max |w| / 127.")
        elif np.any(coarse):
            message = f"{_count(coarse)} use only {steps[coarse].min():.1f} of {_STEPS} steps: bits are wasted."
            yield finding("weights-coarse", "warning", node, message, "Set the scale to max |w| / 127.")


def _count(flags: Array) -> str:
    return f"{int(np.count_nonzero(flags))} of {flags.size} weight channels" if flags.size > 1 else "The weights"
