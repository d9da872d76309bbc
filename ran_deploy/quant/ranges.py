"""The range that activations really have, observed on images: what decides which nodes can be float16."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, shape_inference

from ran_deploy.optional import require
from ran_deploy.quant.fp16 import HALF_MAX

RANGE_MARGIN = 4.0
"""Activations must stay this factor below float16's largest value: other images reach further than those seen."""

Batch = npt.NDArray[Any]


def observe_ranges(
    model: onnx.ModelProto, batches: Iterable[Batch], *, advance: Callable[[int], None] = lambda _: None
) -> dict[str, float]:
    """Run a float32 model on images and return the largest magnitude of every float32 value in it.

    The maxima are computed inside the graph, so that memory grows neither with the images nor with the layers.

    Args:
        model: A model with one input, prepared by :func:`ran_deploy.quant.prepare.prepare`.
        batches: Arrays that the model's input takes.
        advance: Called with the number of images after each batch.

    Returns:
        Largest magnitude by value name; infinity where a value was infinite or not a number.

    Raises:
        MissingError: ONNX Runtime is not installed.
    """
    ort = require("onnxruntime", "The range check of ran-deploy quantize")
    probed, names = _with_maxima(model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    maxima = np.zeros(len(names))
    for batch in batches:
        seen = session.run(list(names.values()), {model.graph.input[0].name: batch})
        found = np.array([float(value) for value in seen])
        maxima = np.maximum(maxima, np.where(np.isnan(found), np.inf, found))
        advance(len(batch))
    return dict(zip(names, maxima.tolist(), strict=True))


def out_of_range(
    model: onnx.ModelProto, ranges: Mapping[str, float], *, margin: float = RANGE_MARGIN
) -> dict[str, float]:
    """Return the nodes that read or write values beyond float16's range, with the magnitude that they meet.

    Args:
        model: The model that the ranges were observed on.
        ranges: Largest magnitude by value name.
        margin: How far below float16's largest value, 65504, the magnitudes must stay.
    """
    limit = HALF_MAX / margin
    reached = {
        node.name: max((ranges.get(name, 0.0) for name in (*node.input, *node.output)), default=0.0)
        for node in model.graph.node
    }
    return {name: magnitude for name, magnitude in reached.items() if magnitude > limit}


def float_values(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of a prepared model's float32 inputs and results, in the graph's order."""
    graph = shape_inference.infer_shapes(model).graph
    known = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in known}
    made = [value.name for value in model.graph.input] + [name for node in model.graph.node for name in node.output]
    return tuple(name for name in made if types.get(name) == TensorProto.FLOAT)


def _with_maxima(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Add max |x| of every float32 value as an output of its own; returns them by the value's name."""
    values = float_values(model)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    names = {}
    del probed.graph.output[:]
    for name in values:
        magnitude, largest = f"{name}__abs", f"{name}__max"
        probed.graph.node.append(helper.make_node("Abs", [name], [magnitude]))
        probed.graph.node.append(helper.make_node("ReduceMax", [magnitude], [largest], keepdims=0))
        probed.graph.output.append(helper.make_tensor_value_info(largest, TensorProto.FLOAT, []))
        names[name] = largest
    return probed, names
