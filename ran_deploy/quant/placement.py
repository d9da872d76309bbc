"""Where Q/DQ go in a Residual Attention Network, so that TensorRT fuses what it can and accuracy stays.

Source: NVIDIA TensorRT documentation, "Explicit Quantization", its recommendations on the placement of Q/DQ.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx

from ran_deploy.errors import UsageError
from ran_deploy.quant.ranges import float_values

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights; all of them but the classifier's become INT8."""
_PASSING = ("MaxPool", "AveragePool", "Resize", "Concat")
"""Operators without weights that move or pool values: they take INT8 where what reads them does."""
_RESHAPING = ("Flatten", "Reshape")
"""Operators that one pair of Q/DQ behind them serves as well as what is in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementOptions:
    """What can be chosen about the placement; the defaults are those that keep accuracy and still build."""

    keep: frozenset[str] = frozenset()
    """Nodes that stay in float: neither their inputs nor their weights are quantized for them."""
    classifier: bool = False
    """Whether the last matrix product is quantized as well; a dense layer before it always is."""
    batch_norm: bool = True
    """Whether a batch normalization in front of a unit reads the quantized skip instead of the float one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which inputs of which nodes are quantized."""

    readers: dict[str, tuple[tuple[str, int], ...]]
    """By activation: the nodes, and at which input, that read it through its one Q/DQ pair."""
    weighted: tuple[str, ...]
    """Nodes whose weights are quantized."""
    same_range: dict[str, str]
    """Activations that take another's range: a max pool's output has its input's, which loses nothing, and what is
    concatenated has the whole's, so that the parts need no conversion."""

    def calibrated(self) -> tuple[str, ...]:
        """Return the activations whose range must be observed, in the graph's order."""
        return tuple(dict.fromkeys(self.source(name) for name in self.readers))

    def source(self, name: str) -> str:
        """Return the activation whose range ``name`` takes; itself where it has its own."""
        while name in self.same_range:
            name = self.same_range[name]
        return name


def place(model: onnx.ModelProto, options: PlacementOptions | None = None) -> Placement:
    """Choose the inputs to quantize in a float model.

    The rules: the inputs of convolutions (and of the classifier on request); the skip operand of each residual add,
    never the one that comes from the convolution in front of it; both factors of mask × trunk, where a sigmoid makes
    the mask (a division fuses with the product in float); pools, upsamples and concatenations on both sides, since an
    operator without weights that takes INT8 must also give it, and so not where what reads them stays in float; on
    request the input of a pre-activation batch normalization. Nothing between a convolution and its batch
    normalization or ReLU, no bias. The sum T + M·T, the sigmoid and the pooled features stay in float.

    Args:
        model: A float model, prepared by :func:`ran_deploy.quant.prepare.prepare`.
        options: What to leave out.

    Raises:
        UsageError: ``options.keep`` names a node that the model lacks.
    """
    chosen = options or PlacementOptions()
    require_nodes(model, chosen.keep)
    graph, floats = _Graph(model), frozenset(float_values(model))
    inputs: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for node in model.graph.node:
        if node.name not in chosen.keep:
            # Shapes are concatenated, too, and constants: neither is an activation.
            for index in (index for index in _quantized_inputs(graph, node, chosen) if node.input[index] in floats):
                inputs[node.input[index]].append((node.name, index))
    return Placement(
        readers={name: tuple(readers) for name, readers in inputs.items()},
        weighted=tuple(
            node.name
            for node in model.graph.node
            if node.op_type in WEIGHTED and (node.name, 0) in inputs.get(node.input[0], ())
        ),
        same_range=_same_ranges(model, inputs),
    )


def _same_ranges(model: onnx.ModelProto, inputs: Mapping[str, list[tuple[str, int]]]) -> dict[str, str]:
    same: dict[str, str] = {}
    reshaped = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type in _RESHAPING}
    for node in reversed(model.graph.node):
        whole = reshaped.get(node.output[0], node.output[0])
        parts = [name for name in node.input if name in inputs]
        if whole not in inputs or not parts:
            continue
        if node.op_type == "Concat":
            same.update(dict.fromkeys(parts, whole))
        elif node.op_type == "MaxPool" and whole in same and len(inputs[parts[0]]) == 1:
            same[parts[0]] = whole  # the range of a concatenation, through to what is pooled for it alone
        elif node.op_type == "MaxPool":
            same.setdefault(whole, parts[0])
    return same


def require_nodes(model: onnx.ModelProto, names: frozenset[str]) -> None:
    """Check that a model has nodes of these names.

    Raises:
        UsageError: It lacks one.
    """
    if unknown := sorted(names - {node.name for node in model.graph.node}):
        raise UsageError(f"The model has no node named {', '.join(unknown)}.", fix="Name nodes of this model to keep.")


class _Graph:
    """Producers, readers and constants of a model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {tensor.name for tensor in model.graph.initializer}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.readers[name].append(node)
        products = [node.name for node in model.graph.node if node.op_type in ("Gemm", "MatMul")]
        self.classifier = products[-1] if products else ""

    def operator(self, name: str) -> str:
        """Return the operator that makes a value, or the one in front of the batch normalization that makes it."""
        node = self.producers.get(name)
        if node is not None and node.op_type == "BatchNormalization":
            node = self.producers.get(node.input[0])
        return "" if node is None else str(node.op_type)

    def passes(self, name: str, keep: frozenset[str]) -> bool:
        """Whether a value comes from a pool, an upsample or a concatenation that takes INT8."""
        node = self.producers.get(name)
        return node is not None and node.op_type in _PASSING and node.name not in keep and self.feeds_int8(node)

    def feeds_int8(self, node: onnx.NodeProto) -> bool:
        """Whether what reads a pool, an upsample or a concatenation can take INT8, and not only a float of it."""
        readers = self.readers[node.output[0]]
        return bool(readers) and all(self._takes_int8(reader, node.output[0]) for reader in readers)

    def _takes_int8(self, node: onnx.NodeProto, value: str) -> bool:
        if node.op_type in (*_PASSING, *_RESHAPING):  # of which some are told a shape by a further input
            return (node.op_type == "Concat" or value == node.input[0]) and self.feeds_int8(node)
        return node.op_type in (*WEIGHTED, "BatchNormalization", "Add", "Mul") and node.name != self.classifier

    def activations(self, node: onnx.NodeProto) -> list[int]:
        """Return which of a node's inputs are computed."""
        return [index for index, name in enumerate(node.input) if name and name not in self.constants]


def _quantized_inputs(graph: _Graph, node: onnx.NodeProto, options: PlacementOptions) -> Iterator[int]:
    kind, computed = node.op_type, graph.activations(node)
    if kind in WEIGHTED:
        with_weights = len(node.input) > 1 and node.input[1] in graph.constants
        if with_weights and (options.classifier or node.name != graph.classifier):
            yield 0
    elif kind in _PASSING and graph.feeds_int8(node):
        yield from (range(len(node.input)) if kind == "Concat" else (0,))
    elif kind == "BatchNormalization":
        behind_convolution = graph.operator(node.input[0]) in WEIGHTED
        if not behind_convolution and (options.batch_norm or graph.passes(node.input[0], options.keep)):
            yield 0
    elif kind == "Mul" and len(computed) == 2 and "Sigmoid" in map(graph.operator, node.input):
        yield from computed
    elif kind == "Add" and len(computed) == 2:
        yield from _skip_operand(graph, node, options.keep)


def _skip_operand(graph: _Graph, node: onnx.NodeProto, keep: frozenset[str]) -> Iterator[int]:
    """Of a residual add the operand that the convolution in front is not; of another add what a pool gave."""
    from_weighted = [index for index in (0, 1) if graph.operator(node.input[index]) in WEIGHTED]
    if from_weighted:
        # Of a projection shortcut and a body, both convolutions, the body is the later one and fuses with the add.
        yield 1 - from_weighted[-1]
    else:
        yield from (index for index in (0, 1) if graph.passes(node.input[index], keep))
