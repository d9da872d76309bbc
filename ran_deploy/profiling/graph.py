"""A model's ONNX graph at one batch size: what each node computes, and how many bytes each tensor holds."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Where PyTorch's exporter writes down the modules that a node comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the graph, with the work that it is at the graph's batch size."""

    name: str
    """Its name, or that of its first output where it has none."""
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int
    """Multiply-adds of a convolution or matrix product; 0 for all else, as the paper and ``ran-deploy archs`` count."""
    scopes: str
    """What PyTorch's exporter says of the modules that it comes from; empty in files that ran-deploy wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph in topological order."""

    nodes: tuple[Node, ...]
    sizes: dict[str, int]
    """Bytes of each tensor, constants included; those of unknown shape are missing."""
    constants: frozenset[str]
    outputs: frozenset[str]
    producers: dict[str, int]
    """For each tensor the node that writes it."""
    consumers: dict[str, tuple[int, ...]]
    """For each tensor the nodes that read it."""

    @property
    def unsized(self) -> tuple[str, ...]:
        """Names of nodes whose inputs or outputs have unknown shapes: their work is not counted."""
        return tuple(
            node.name for node in self.nodes if any(name not in self.sizes for name in (*node.inputs, *node.outputs))
        )

    def traffic(self, members: Collection[int], transparent: Collection[int] = ()) -> int:
        """Return the bytes that a kernel which computes ``members`` at once must read and write.

        Each tensor that comes from outside or is needed outside counts once; those between the members do not.

        Args:
            members: Positions of the nodes that the kernel computes.
            transparent: Positions of DequantizeLinear nodes that no kernel computes on its own: whoever reads their
                output really reads their quantized input.
        """
        moved = set()
        inside = {name for place in members for name in self.nodes[place].outputs}
        for place in members:
            for name in self.nodes[place].inputs:
                if name not in inside:
                    source = self.producers.get(name)
                    moved.add(self.nodes[source].inputs[0] if source is not None and source in transparent else name)
            for name in self.nodes[place].outputs:
                readers = self.consumers.get(name, ())
                if name in self.outputs or any(reader not in members for reader in readers):
                    moved.add(name)
        return sum(self.sizes.get(name, 0) for name in moved)


def read_graph(model: onnx.ModelProto, batch: int) -> Graph:
    """Infer all shapes of a model at a batch size, and count the work of its nodes.

    Args:
        model: A checked model with one input, whose first side is the batch; it is not changed.
        batch: Images at once.
    """
    shapes, sizes = _shapes(model, batch)
    nodes = tuple(
        Node(
            name=node.name or node.output[0],
            op=node.op_type,
            inputs=tuple(name for name in node.input if name),
            outputs=tuple(name for name in node.output if name),
            macs=_macs(node, shapes),
            scopes=next((prop.value for prop in node.metadata_props if prop.key == _SCOPES), ""),
        )
        for node in model.graph.node
    )
    consumers: dict[str, tuple[int, ...]] = {}
    for place, node in enumerate(nodes):
        for name in dict.fromkeys(node.inputs):
            consumers[name] = (*consumers.get(name, ()), place)
    return Graph(
        nodes=nodes,
        sizes=sizes,
        constants=frozenset(tensor.name for tensor in model.graph.initializer),
        outputs=frozenset(item.name for item in model.graph.output),
        producers={name: place for place, node in enumerate(nodes) for name in node.outputs},
        consumers=consumers,
    )


def _shapes(model: onnx.ModelProto, batch: int) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]  # they name the batch, and would contradict the number that stands for it now
    constants = {tensor.name: tensor for tensor in fixed.graph.initializer}
    for item in (*fixed.graph.input, *fixed.graph.output):
        sides = item.type.tensor_type.shape.dim
        if item.name not in constants and sides and not sides[0].HasField("dim_value"):
            sides[0].dim_value = batch
    graph = shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {name: tuple(tensor.dims) for name, tensor in constants.items()}
    kinds = {name: tensor.data_type for name, tensor in constants.items()}
    for item in (*graph.value_info, *graph.input, *graph.output):
        sides = item.type.tensor_type.shape.dim
        if item.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            shapes.setdefault(item.name, tuple(side.dim_value for side in sides))
            kinds.setdefault(item.name, item.type.tensor_type.elem_type)
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                shapes.setdefault(node.output[0], numpy_helper.to_array(attribute.t).shape)
    return shapes, {name: _bytes(shape, kinds.get(name, TensorProto.UNDEFINED)) for name, shape in shapes.items()}


def _bytes(shape: tuple[int, ...], kind: int) -> int:
    return 0 if kind == TensorProto.UNDEFINED else math.prod(shape) * helper.tensor_dtype_to_np_dtype(kind).itemsize


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "Gemm", "MatMul") or any(
        name not in shapes for name in (*node.input, *node.output) if name
    ):
        return 0
    results = math.prod(shapes[node.output[0]])
    left, right = shapes[node.input[0]], shapes[node.input[1]]
    if node.op_type == "Conv":
        return results * math.prod(right[1:])  # [out, in / groups, kernel…]
    if node.op_type == "MatMul":
        return results * left[-1]
    turned = next((attribute.i for attribute in node.attribute if attribute.name == "transA"), 0)
    return results * left[0 if turned else 1]
