"""A network's nodes in groups: by residual unit, by branch, or one by one, as the exporter's names tell them."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from ran_deploy.runtime.node_names import telling_names

Grouping = Literal["unit", "node", "module"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
Part = Literal["stem", "unit", "trunk", "mask", "classifier"]
PARTS: tuple[Part, ...] = get_args(Part)

_INSIDE_UNIT = re.compile(r"\.(preact|body|shortcut|activation)(\.|$).*")
_MASK_HEAD = re.compile(r"(\.mask\.head)\..*")
_BRANCH = re.compile(r"^(.*?\.(?:mask|trunk|before|after))(\.|$).*")
_PARAMETER = re.compile(r"^network\.([\w.]+)\.weight$")
_ENDS: dict[str, Part] = {"input": "stem", "stem": "stem", "final": "classifier", "head": "classifier"}


def home_of(op: str, name: str, inputs: Sequence[str]) -> str:
    """Return the name by which a node is grouped: its own, or one after the module that its weight is in.

    Args:
        op: The node's operator.
        name: Its name.
        inputs: Names of its inputs.
    """
    match = _PARAMETER.match(telling_names(op, name, inputs)[0])
    return f"{match[1]}/{op}" if match else name


def group_of(node: str, grouping: Grouping) -> str:
    """Return the name of a node's group.

    "stages.1.mask.down.0.0.body.1.0/Conv" belongs to the unit "stages.1.mask.down.0.0" and to the module
    "stages.1.mask". Pools, upsamples and the sigmoid are the unit "stages.1.mask", the product and the sum that
    fuse trunk and mask "stages.1". A node that is not named after a module is a group of its own.
    """
    module, separator, _ = node.rpartition("/")
    if grouping == "node" or not separator:
        return node
    unit = _MASK_HEAD.sub(r"\1", _INSIDE_UNIT.sub("", module))
    return _BRANCH.sub(r"\1", unit) if grouping == "module" else unit


def part_of(group: str) -> Part:
    """Return the part of the network that a group, or a node, is in."""
    names = group.rpartition("/")[0].split(".") if "/" in group else group.split(".")
    if "mask" in names:
        return "mask"
    if "trunk" in names:
        return "trunk"
    return "classifier" if names[0] == "classifier" else _ENDS.get(names[0], "unit")


def grouped(homes: Mapping[str, str], grouping: Grouping) -> dict[str, tuple[str, ...]]:
    """Return the nodes of each group, groups and nodes in the order of ``homes``.

    Args:
        homes: For each node the name by which it is grouped, see :func:`home_of`.
        grouping: How; by "node" each is named as it is.
    """
    groups: dict[str, list[str]] = {}
    for node, home in homes.items():
        groups.setdefault(node if grouping == "node" else group_of(home, grouping), []).append(node)
    return {name: tuple(members) for name, members in groups.items()}
