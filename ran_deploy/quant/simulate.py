"""Float16 arithmetic on a CPU that has none: what ONNX Runtime leaves out, put back in.

ONNX Runtime computes float16 nodes in float32 on the CPU and drops the casts between neighbours, so that only
the weights are rounded: an activation of 1e6 passes unharmed there and is infinite on a GPU. A float32 model
that rounds after each node behaves as the GPU does, but for the order of sums: those are in float32 on both.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.quant.prepare import replace_all


def rounding_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a float32 model that rounds every value to float16 where ``model`` is float16.

    Args:
        model: A model made by :func:`ran_deploy.quant.fp16.to_fp16`, with its types inferred.

    Returns:
        A model with the same inputs and outputs, for measuring only.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    halves = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        rounded = [name for name in node.output if name in halves]
        for index, name in enumerate(node.output):
            if name in halves:
                node.output[index] = f"{name}__exact"
        if node.op_type == "Cast" and rounded:
            for attribute in node.attribute:
                attribute.i = TensorProto.FLOAT
        nodes.append(node)
        nodes.extend(cast for name in rounded for cast in _round(name))
    replace_all(graph.node, nodes)
    replace_all(graph.initializer, _widened(graph.initializer))
    del graph.value_info[:]
    return result


def _round(name: str) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    exact, half = f"{name}__exact", f"{name}__half"
    return (
        helper.make_node("Cast", [exact], [half], name=half, to=TensorProto.FLOAT16),
        helper.make_node("Cast", [half], [name], name=f"{name}__rounded", to=TensorProto.FLOAT),
    )


def _widened(tensors: Iterable[TensorProto]) -> list[TensorProto]:
    return [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
        if tensor.data_type == TensorProto.FLOAT16
        else tensor
        for tensor in tensors
    ]
