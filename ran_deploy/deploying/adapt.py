"""Bringing a foreign ONNX model into the form that the other stages work on, and proving that it answers the same.

What is changed: local functions are put in place, an opset that the precision passes do not take is raised, open
image sizes are set, and a batch that the exporter has fixed becomes dynamic. The last is a guess about the constants
of the graph, so it is tried, and kept only if the model then answers image by image as before.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from ran_deploy.errors import GateError, UsageError
from ran_deploy.manifest import DYNAMIC, Contract
from ran_deploy.optional import require
from ran_deploy.quant.prepare import prepare, replace_all

_LEAST_OPSET, _RAISED_OPSET = 15, 17
# From opset 15 on a Shape can be told which sides to return.
_BATCH = "batch"
_TRIED_BATCHES = (1, 2, 5)
_IMAGES = 8
_RTOL, _ATOL = 1e-3, 1e-4
_SEED = 20170426

Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """A model in a form that can be deployed."""

    model: onnx.ModelProto
    changes: tuple[str, ...]
    """What was changed, in words; none for a model that came as it should."""
    max_abs: float
    """Largest difference of an answer to that of the model as it came."""


def set_size(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Return a copy whose images are ``size`` × ``size`` where the file leaves that open."""
    result = _copy(model)
    sides = _image(result).type.tensor_type.shape.dim
    for place in (1, 2) if _is_nhwc(result) else (2, 3):
        if len(sides) == 4 and not sides[place].dim_value:
            sides[place].Clear()
            sides[place].dim_value = size
    return result


def adapt(model: onnx.ModelProto, contract: Contract) -> Adapted:
    """Change what has to be changed, and compare with the model as it came.

    Args:
        model: A valid classifier whose image size is set.
        contract: Its contract.

    Raises:
        UsageError: The model does not run.
        GateError: It answers otherwise after a change that is needed, or with numbers that are not finite.
    """
    images = _images(contract)
    expected = _answers(model, contract, images, contract.input.shape[0])
    if not np.isfinite(expected).all():
        raise GateError(
            "The ONNX model answers generated images with infinity or NaN.",
            fix="Check the export: compare it with the framework it came from.",
        )
    result, changes = model, []
    for change, text in ((_inlined, "local functions were put in place"), (_raised, "its opset was raised")):
        if (changed := change(result)) is not None:
            result = changed
            changes.append(text)
    found = _answers(result, contract, images, contract.input.shape[0]) if changes else expected
    largest = _difference(expected, found)
    if not _same(expected, found):
        raise GateError(
            f"The ONNX model answers otherwise after {' and '.join(changes)}: by up to {largest:.3g}.",
            fix=f"Export it with opset {_RAISED_OPSET} or newer, without functions.",
        )
    if contract.input.shape[0] != DYNAMIC and (freed := _freed(result, contract, images, expected)) is not None:
        result, largest = freed
        changes.append(f"its batch, fixed to {contract.input.shape[0]}, became dynamic")
    return Adapted(model=result, changes=tuple(changes), max_abs=largest)


def _freed(
    model: onnx.ModelProto, contract: Contract, images: npt.NDArray[np.generic], expected: Tensor
) -> tuple[onnx.ModelProto, float] | None:
    """Return the model with a dynamic batch and its largest difference, or None if it then answers otherwise."""
    try:
        free = _with_free_batch(model, contract.input.shape[0])
    except UsageError:  # a form that the other stages refuse with their own words
        return None
    largest = 0.0
    for batch in _TRIED_BATCHES:
        try:
            found = _answers(free, contract, images, batch, quietly=True)
        except UsageError:
            return None
        if found.shape != expected.shape or not _same(expected, found):
            return None
        largest = max(largest, _difference(expected, found))
    return free, largest


def _with_free_batch(model: onnx.ModelProto, fixed: int) -> onnx.ModelProto:
    result = prepare(model)
    graph = result.graph
    for value in (_image(result), *graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_param = _BATCH
    del graph.value_info[:]
    _fold(result)
    # A shape that begins with the batch is written as 0, "as in the input", which is what the exporter has left out.
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            tensor.CopyFrom(_begins_with_zero(tensor, fixed))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Reshape":
            replace_all(node.attribute, [entry for entry in node.attribute if entry.name != "allowzero"])
        elif node.op_type == "Concat":
            nodes += _repeat_constants(result, node, fixed)
        nodes.append(node)
    replace_all(graph.node, nodes)
    return result


def _fold(model: onnx.ModelProto) -> None:
    """Put constants in the place of nodes that compute from constants only, such as a class token's fixed shape."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    left = []
    for node in model.graph.node:
        if not node.input or not all(name in known or not name for name in node.input) or len(node.output) != 1:
            left.append(node)
            continue
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(known[name].dtype), None)
            for name in dict.fromkeys(node.input)
            if name
        ]
        result = helper.make_empty_tensor_value_info(node.output[0])
        alone = helper.make_graph([node], "constant", inputs, [result])
        made = helper.make_model(alone, opset_imports=model.opset_import)
        (value,) = ReferenceEvaluator(made).run(None, {entry.name: known[entry.name] for entry in inputs})
        known[node.output[0]] = np.asarray(value)
        model.graph.initializer.append(numpy_helper.from_array(known[node.output[0]], node.output[0]))
    replace_all(model.graph.node, left)


def _repeat_constants(model: onnx.ModelProto, node: onnx.NodeProto, fixed: int) -> list[onnx.NodeProto]:
    """Make the nodes that repeat a constant, such as a class token, once for each image that it is concatenated to."""
    axis = next((entry.i for entry in node.attribute if entry.name == "axis"), 0)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    made: list[onnx.NodeProto] = []
    if axis == 0 or all(name in tensors for name in node.input):
        return made
    for index, name in enumerate(node.input):
        if name not in tensors or len(tensors[name].dims) <= 1 or tensors[name].dims[0] != fixed:
            continue
        prefix = f"{node.name}_{index}"
        single = numpy_helper.from_array(numpy_helper.to_array(tensors[name])[:1], f"{prefix}_one")
        ones = numpy_helper.from_array(np.ones(len(single.dims) - 1, np.int64), f"{prefix}_ones")
        model.graph.initializer.extend([single, ones])
        shape, count, repeated = (f"{prefix}_{what}" for what in ("shape", "count", "repeated"))
        made += [
            helper.make_node("Shape", [_image(model).name], [count], name=f"{prefix}/Shape", start=0, end=1),
            helper.make_node("Concat", [count, ones.name], [shape], name=f"{prefix}/Concat", axis=0),
            helper.make_node("Expand", [single.name, shape], [repeated], name=f"{prefix}/Expand"),
        ]
        node.input[index] = repeated
    return made


def _begins_with_zero(tensor: TensorProto, fixed: int) -> TensorProto:
    sides = numpy_helper.to_array(tensor).copy()
    if sides.ndim == 1 and sides.size > 1 and sides[0] == fixed:
        sides[0] = 0
    return numpy_helper.from_array(sides, tensor.name)


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto | None:
    return inliner.inline_local_functions(model) if model.functions else None


def _raised(model: onnx.ModelProto) -> onnx.ModelProto | None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    return version_converter.convert_version(model, _RAISED_OPSET) if opset < _LEAST_OPSET else None


def _answers(
    model: onnx.ModelProto, contract: Contract, images: npt.NDArray[np.generic], batch: int, *, quietly: bool = False
) -> Tensor:
    """Run images in parts of ``batch``, the last filled up with zeros: float32 [N, classes]."""
    ort = require("onnxruntime", "ran-deploy deploy --onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 4 if quietly else 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    size = len(images) if batch == DYNAMIC else batch
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
            parts.append(session.run([contract.output.name], {contract.input.name: filled})[0][: len(part)])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"ONNX Runtime cannot run the model: {reason}.", fix="Export it again.") from error
    return np.concatenate(parts).astype(np.float32)


def _images(contract: Contract) -> npt.NDArray[np.generic]:
    rng, shape = np.random.default_rng(_SEED), (_IMAGES, *contract.input.shape[1:])
    if contract.input.dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.standard_normal(shape).astype(np.float32)


def _same(expected: Tensor, found: Tensor) -> bool:
    return expected.shape == found.shape and np.allclose(expected, found, rtol=_RTOL, atol=_ATOL)


def _difference(expected: Tensor, found: Tensor) -> float:
    return float(np.abs(expected - found).max())


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    return result


def _image(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in model.graph.initializer}
    found: onnx.ValueInfoProto = next(value for value in model.graph.input if value.name not in constants)
    return found


def _is_nhwc(model: onnx.ModelProto) -> bool:
    return bool(_image(model).type.tensor_type.elem_type == TensorProto.UINT8)
