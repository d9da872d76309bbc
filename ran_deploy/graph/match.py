"""Which value of one ONNX graph is which of another: the same network, perhaps in another precision."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import onnx

from ran_deploy.errors import UsageError

BETWEEN = ("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Constant")
"""Operators that a precision pass puts between the nodes of a network."""
_ROUNDING = ("DequantizeLinear", "Cast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A value of the candidate that should equal one of the reference."""

    node: str
    """The candidate's node that makes it."""
    operator: str
    value: str
    """Its name in the candidate."""
    reference: str
    """The name of what it should equal in the reference."""
    feeds: tuple[str, ...]
    """For a Q/DQ pair or a cast, which have no counterpart: the nodes that read its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How two graphs correspond."""

    by: Literal["name", "order"]
    """Whether nodes were found by their names, or by order and operator."""
    sites: tuple[Site, ...]
    """In the candidate's topological order."""


def match(reference: onnx.ModelProto, candidate: onnx.ModelProto) -> Matching:
    """Find each node of a network in another form of it.

    Nodes are found by name where the names of both agree, else by topological order and operator; the operators of
    :data:`BETWEEN` are left out. A Q/DQ pair or a cast of an activation should equal the activation itself.

    Raises:
        UsageError: The graphs are not two forms of one network.
    """
    pairs, by = _pairs(_core(reference), _core(candidate))
    counterpart = {mine.output[0]: theirs.output[0] for theirs, mine in pairs}
    producers = {name: node for node in candidate.graph.node for name in node.output}
    readers: dict[str, list[str]] = defaultdict(list)
    for position, node in enumerate(candidate.graph.node):
        for name in node.input:
            readers[name].append(label(node, position))
    sites = []
    for position, node in enumerate(candidate.graph.node):
        value = node.output[0]
        rounds = node.op_type in _ROUNDING
        equal = _origin(value, producers, counterpart) if rounds else counterpart.get(value)
        if equal is not None:
            feeds = tuple(readers[value]) if rounds else ()
            name = label(node, position)
            sites.append(Site(node=name, operator=node.op_type, value=value, reference=equal, feeds=feeds))
    return Matching(by=by, sites=tuple(sites))


def label(node: onnx.NodeProto, position: int) -> str:
    """Return a node's name, or its operator and place in the graph."""
    return node.name or f"{node.op_type}_{position}"


def _core(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type not in BETWEEN]


def _pairs(
    reference: list[onnx.NodeProto], candidate: list[onnx.NodeProto]
) -> tuple[list[tuple[onnx.NodeProto, onnx.NodeProto]], Literal["name", "order"]]:
    named = {(node.name, node.op_type): node for node in candidate if node.name}
    if _are_named(reference) and all((node.name, node.op_type) in named for node in reference):
        return [(node, named[node.name, node.op_type]) for node in reference], "name"
    if [node.op_type for node in reference] == [node.op_type for node in candidate]:
        return list(zip(reference, candidate, strict=True)), "order"
    raise UsageError(
        f"The nodes of the two models cannot be matched: {len(reference)} and {len(candidate)} nodes that differ in "
        "names, operators or order.",
        fix="Compare two forms of one network, made from the same exported file.",
    )


def _are_named(nodes: Iterable[onnx.NodeProto]) -> bool:
    names = [node.name for node in nodes]
    return all(names) and len(set(names)) == len(names)


def _origin(value: str, producers: dict[str, onnx.NodeProto], counterpart: dict[str, str]) -> str | None:
    """Follow casts and Q/DQ back to the activation that they carry; None for a weight or the input."""
    while value not in counterpart:
        node = producers.get(value)
        if node is None or node.op_type not in BETWEEN or not node.input:
            return None
        value = node.input[0]
    return counterpart[value]
