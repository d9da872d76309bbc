"""Where in the network a node is: from the module paths that exporters leave in names of nodes and weights."""

import re
from dataclasses import dataclass
from typing import Literal

from ran_deploy.profiling.graph import Graph, Node
from ran_deploy.runtime.node_names import telling_names

Branch = Literal["ends", "units", "trunk", "mask", "fusion", "reorder", "other"]


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the network."""

    part: str
    """Such as "stem" or "stage 1 mask down"."""
    branch: Branch


REORDER = Place("reorder", "reorder")
"""Kernels that only change the memory layout or the type of a tensor for the next one."""
OTHER = Place("other", "other")
"""What cannot be traced to a part."""

_ENDS = {"input": "input", "stem": "stem", "final": "tail", "head": "head", "classifier": "head"}
_PATH = re.compile(r"^(?:network\.)?((?:stages\.\d+|input|stem|final|head|classifier)(?:\.[\w.]*)?)(?=/|$)")
_SCOPED = re.compile(r"'(?:network\.)?((?:stages\.\d+|stem|final|classifier)(?:\.[\w.]*)?)'")
_MODULE = re.compile(r"^/?([A-Za-z]\w*)[./]")
_DOWN = ("down", "bottom")
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")


class Places:
    """The places of all nodes of a graph.

    A stage begins with each unit that has a projection shortcut, since only there channels or resolution change. Its
    parts are "units" (outside of the attention modules' two branches), "trunk", "mask down" (pooling, its units and
    those at the bottom), "mask up" (the skip units, upsampling, its units, the last 1×1 convolutions, the sigmoid) and
    "fusion" (the product and the sum of trunk and mask). A mask of local convolutions is one part, "mask". "tail" is
    the last BN-ReLU, "head" pooling and classifier.

    A node without a name that tells is where its inputs come from.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self._paths = [_path(node) for node in graph.nodes]
        known = {path for path in self._paths if path}
        starts = sorted({int(path.split(".")[1]) for path in known if re.match(r"stages\.\d+\.shortcut", path)})
        self._starts = [start for start in starts if start > 0]
        self._modules = {path.split(".")[1] for path in known if re.match(r"stages\.\d+\.(trunk|mask)", path)}
        self._local = {path.split(".")[1] for path in known if re.match(r"stages\.\d+\.mask\.local", path)}
        self._places = self._all(graph)

    def __getitem__(self, position: int) -> Place:
        """Return the place of the node at a position of the graph."""
        return self._places[position]

    def of_name(self, name: str) -> Place:
        """Return the place that a kernel's name tells, such as "stages.1.trunk.0.body.4/Conv_bias_dq"."""
        match = _PATH.match(name)
        return self._place(match[1], "") if match else OTHER

    def _all(self, graph: Graph) -> list[Place]:
        places: list[Place] = []
        for node, path in zip(graph.nodes, self._paths, strict=True):
            if path:
                places.append(self._place(path, node.op))
                continue
            sources = [graph.producers[name] for name in node.inputs if name in graph.producers]
            known = [places[source] for source in sorted(sources) if places[source] != OTHER]
            places.append(known[-1] if known else OTHER)
        for position in reversed(range(len(places))):  # what has no inputs is where its output goes
            if places[position] == OTHER:
                readers = [place for name in graph.nodes[position].outputs for place in graph.consumers.get(name, ())]
                places[position] = next((places[reader] for reader in readers), OTHER)
        return places

    def _place(self, path: str, op: str) -> Place:
        first, *rest = path.split(".")
        if first in _ENDS:
            return Place(_ENDS[first], "ends")
        if first == "masks":  # the means that `export --with-masks` gives out
            return Place("mask outputs", "mask")
        if first != "stages":
            return Place(first, "units")
        number, inner = rest[0], rest[1:]
        stage = f"stage {1 + sum(start <= int(number) for start in self._starts)}"
        if "mask" in inner and number in self._local:
            return Place(f"{stage} mask", "mask")
        if "mask" in inner:
            down = inner[1] in _DOWN if len(inner) > 1 else op == "MaxPool"
            return Place(f"{stage} mask {'down' if down else 'up'}", "mask")
        if "trunk" in inner:
            return Place(f"{stage} trunk", "trunk")
        if not inner and number in self._modules:
            return Place(f"{stage} fusion", "fusion")
        return Place(f"{stage} units", "units")


def _path(node: Node) -> str:
    """Return the module path of a node, "" where its names do not tell one."""
    for name in telling_names(node.op, node.name, node.inputs):
        if match := _PATH.match(name):
            return match[1]
    if scopes := _SCOPED.findall(node.scopes):
        return str(scopes[-1])
    # A model of another family: the outermost module. Q/DQ nodes are named after tensors, which says nothing.
    match = None if node.op in _QUANTIZING else _MODULE.match(node.name)
    return match[1] if match else ""
