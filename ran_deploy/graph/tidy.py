"""What is done to the exporter's graph: names that mean something, no traces of the machine, fewer layouts."""

import json

import numpy as np
import onnx
from onnx import helper, numpy_helper

_SCOPES = "pkg.torch.onnx.name_scopes"
FORBIDDEN = ("Shape", "Concat", "Gather", "Slice", "Unsqueeze")
"""Operations that only compute sizes; sizes are static, so none of them may be left."""


def tidy(model: onnx.ModelProto, metadata: dict[str, str]) -> onnx.ModelProto:
    """Rewrite the exporter's graph in place and return it.

    Nodes are named after the module that they come from ("stages.1.mask.head.1/Conv"); stack traces, which hold
    paths of the exporting machine, and all other annotations are removed; the spatial mean becomes a global average
    pool, which ONNX Runtime computes in its blocked layout.

    Args:
        model: As ``torch.onnx.export`` returned it.
        metadata: Put into the model's metadata.
    """
    _pool_instead_of_mean(model.graph)
    _name_nodes(model.graph)
    _drop_annotations(model)
    model.producer_name = "ran-deploy"
    model.producer_version = metadata.get("ran-deploy", "")
    helper.set_model_props(model, metadata)
    return model


def leftovers(model: onnx.ModelProto) -> dict[str, int]:
    """Count the operations of :data:`FORBIDDEN` that are still there; features may be concatenated, sizes not."""
    features = {
        value.name for value in model.graph.value_info if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    found = [
        node.op_type
        for node in model.graph.node
        if node.op_type in FORBIDDEN and not (node.op_type == "Concat" and node.output[0] in features)
    ]
    return {name: found.count(name) for name in sorted(set(found))}


def _name_nodes(graph: onnx.GraphProto) -> None:
    seen: dict[str, int] = {}
    for node in graph.node:
        scopes = next((prop.value for prop in node.metadata_props if prop.key == _SCOPES), "")
        name = f"{_module(scopes)}/{node.op_type}"
        count = seen.get(name, 0)
        seen[name] = count + 1
        node.name = name if count == 0 else f"{name}_{count}"


def _module(scopes: str) -> str:
    # The scopes are a list in Python's notation: the modules from the outside in, then the operation.
    modules = json.loads(scopes.replace("'", '"')) if scopes else []
    inner = modules[-2] if len(modules) > 2 else ""
    return {"": "input", "network": "head"}.get(inner, inner.removeprefix("network."))


def _pool_instead_of_mean(graph: onnx.GraphProto) -> None:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for position, node in enumerate(graph.node):
        keepdims = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        if node.op_type != "ReduceMean" or keepdims or len(node.input) < 2 or node.input[1] not in constants:
            continue
        axes = numpy_helper.to_array(constants[node.input[1]])
        if not np.array_equal(axes, [2, 3]):
            continue
        pooled = f"{node.output[0]}_pooled"
        pool = helper.make_node("GlobalAveragePool", [node.input[0]], [pooled])
        flatten = helper.make_node("Flatten", [pooled], [node.output[0]], axis=1)
        for new in (pool, flatten):
            new.metadata_props.extend(node.metadata_props)
        graph.node.remove(node)
        graph.node.insert(position, pool)
        graph.node.insert(position + 1, flatten)
        if not any(node.input[1] in other.input for other in graph.node):
            graph.initializer.remove(constants[node.input[1]])
        return


def _drop_annotations(model: onnx.ModelProto) -> None:
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del holder.metadata_props[:]
        holder.doc_string = ""
