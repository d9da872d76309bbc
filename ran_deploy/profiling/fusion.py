"""Which nodes of the ONNX graph a runtime's kernel computes: runtimes fuse nodes, rename them and add their own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.profiling.graph import Graph

# What runtimes put around the name of a node or tensor. ONNX Runtime: "relu_4_nchwc", "getitem_9_bn_nchwc",
# "InsertedPrecisionFreeCast_relu", "relu/DequantizeLinear/duplicated", "…_token_12". OpenVINO: "…/WithoutBiases",
# "…_original".
_PREFIX = re.compile(r"^InsertedPrecisionFreeCast_")
_SUFFIX = re.compile(r"(_nchwc|_bn|_original|/WithoutBiases|/duplicated|_token_\d+)$")
_READ_LATER = "DequantizeLinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """How the nodes of a graph were dealt out to kernels."""

    members: tuple[tuple[int, ...], ...]
    """For each kernel the positions of its nodes; each node of the graph is in at most one kernel."""
    named: tuple[int | None, ...]
    """For each kernel the first node that it names, whether or not another kernel has that one already."""
    transparent: frozenset[int]
    """DequantizeLinear nodes that are no kernel of their own."""


def match_kernels(claims: Sequence[Sequence[str]], graph: Graph) -> Fusion:
    """Deal the nodes of a graph out to kernels.

    A kernel has the nodes whose name, or whose output's name, is among its claims. What no kernel claims was fused:
    nodes with weights and DequantizeLinear into the kernel that reads them, all others into the kernel that computed
    their inputs, the last one if there are several.

    Args:
        claims: For each kernel, in the order of execution, the names that the runtime gives it.
        graph: The graph as it is in the file.
    """
    positions: dict[str, int] = {}
    for place, node in enumerate(graph.nodes):
        for name in node.outputs:
            positions.setdefault(name, place)
    positions.update({node.name: place for place, node in enumerate(graph.nodes)})
    owner: dict[int, int] = {}
    named: list[int | None] = []
    for kernel, names in enumerate(claims):
        found = [match for name in names if (match := _find(name, positions)) is not None]
        named.append(found[0] if found else None)
        for match in found:
            owner.setdefault(match, kernel)
    transparent = frozenset(
        place for place, node in enumerate(graph.nodes) if node.op == _READ_LATER and place not in owner
    )
    for place in reversed(range(len(graph.nodes))):
        if place not in owner and (graph.nodes[place].macs or place in transparent):
            _give(owner, place, _reader(place, owner, graph))
    for place, node in enumerate(graph.nodes):
        if place not in owner:
            sources = {owner.get(graph.producers[name], -1) for name in node.inputs if name in graph.producers}
            last = max(sources, default=-1)
            _give(owner, place, last if last >= 0 else _reader(place, owner, graph))
    members: list[list[int]] = [[] for _ in claims]
    for place in sorted(owner):
        members[owner[place]].append(place)
    return Fusion(members=tuple(map(tuple, members)), named=tuple(named), transparent=transparent)


def _find(name: str, positions: dict[str, int]) -> int | None:
    name = name if name in positions else _PREFIX.sub("", name)
    while name not in positions:
        shorter = _SUFFIX.sub("", name)
        if shorter == name:
            return None
        name = shorter
    return positions[name]


def _reader(place: int, owner: dict[int, int], graph: Graph) -> int | None:
    """Return the kernel of the first node behind ``place`` that has one."""
    waiting, seen = [place], {place}
    while waiting:
        node = graph.nodes[waiting.pop(0)]
        for reader in (reader for name in node.outputs for reader in graph.consumers.get(name, ())):
            if reader in owner:
                return owner[reader]
            if reader not in seen:
                seen.add(reader)
                waiting.append(reader)
    return None


def _give(owner: dict[int, int], place: int, kernel: int | None) -> None:
    if kernel is not None:
        owner[place] = kernel
