"""From the times of kernels to the cost of the parts of the network."""

from collections.abc import Callable, Sequence
from typing import Any

from ran_deploy.profiling.fusion import match_kernels
from ran_deploy.profiling.graph import Graph
from ran_deploy.profiling.places import OTHER, REORDER, Place, Places
from ran_deploy.profiling.result import GroupCost, KernelCost
from ran_deploy.profiling.roofline import Roofline
from ran_deploy.profiling.sample import KernelTime

_REORDERS = ("Reorder", "Reformat", "NoOp")
"""How the words begin that runtimes have for a change of layout or type."""
_INSERTED = ("Reshape", "Transpose")
"""The same, where no node of the file is behind it."""


def cost_kernels(
    kernels: Sequence[KernelTime], graph: Graph | None, *, run_us: float, roofline: Roofline | None
) -> tuple[KernelCost, ...]:
    """Give each kernel its nodes, its part of the network, its work and its distance from the roofline.

    Args:
        kernels: The kernels in the order of execution.
        graph: The model at the batch size; None: nothing is known but the kernels' own names.
        run_us: Wall-clock time that shares refer to, in microseconds.
        roofline: The machine's; None: not measured.

    Returns:
        As many, in the same order. A kernel is in the part of that of its nodes with the most multiply-adds.
    """
    graph = graph or Graph(nodes=(), sizes={}, constants=frozenset(), outputs=frozenset(), producers={}, consumers={})
    fusion = match_kernels([kernel.claims for kernel in kernels], graph)
    places = Places(graph)
    costs = []
    for kernel, unordered, named in zip(kernels, fusion.members, fusion.named, strict=True):
        members = sorted(unordered, key=lambda member: graph.nodes[member].macs, reverse=True)
        place = _place(kernel, members, named, places)
        macs = sum(graph.nodes[member].macs for member in members)
        moved = graph.traffic(members, fusion.transparent)
        bound_us = roofline.bound_us(macs, moved) if roofline and moved else None
        costs.append(
            KernelCost(
                name=kernel.name,
                op=kernel.op,
                part=place.part,
                branch=place.branch,
                nodes=tuple(graph.nodes[member].name for member in members),
                **_cost(kernel.us, macs, moved, bound_us, run_us),
            )
        )
    return tuple(costs)


def fold(
    kernels: Sequence[KernelCost], name_of: Callable[[KernelCost], str], *, run_us: float, branches: bool
) -> tuple[GroupCost, ...]:
    """Sum kernels up by a name, the group that takes the longest first.

    Args:
        kernels: All kernels.
        name_of: Names the group of a kernel.
        run_us: Wall-clock time that shares refer to, in microseconds.
        branches: Whether the kernels of a group are of one branch.
    """
    groups: dict[str, list[KernelCost]] = {}
    for kernel in kernels:
        groups.setdefault(name_of(kernel), []).append(kernel)
    folded = [group_cost(name, members, run_us=run_us, branches=branches) for name, members in groups.items()]
    return tuple(sorted(folded, key=lambda group: group.us, reverse=True))


def group_cost(name: str, members: Sequence[KernelCost], *, run_us: float, branches: bool) -> GroupCost:
    """Sum up the kernels of one group."""
    us = sum(kernel.us for kernel in members)
    known = [kernel.bound_us for kernel in members if kernel.bound_us is not None]
    cost = _cost(
        us,
        sum(kernel.macs for kernel in members),
        sum(kernel.moved_bytes for kernel in members),
        sum(known) if known else None,
        run_us,
    )
    return GroupCost(name=name, branch=members[0].branch if branches else None, kernels=len(members), **cost)


def _place(kernel: KernelTime, members: Sequence[int], named: int | None, places: Places) -> Place:
    if kernel.op.startswith(_REORDERS):
        return REORDER
    if members:
        return places[members[0]]
    if named is not None:
        return places[named]
    if kernel.op in _INSERTED:
        return REORDER
    return next((place for name in kernel.claims if (place := places.of_name(name)) != OTHER), OTHER)


def _cost(us: float, macs: int, moved: int, bound_us: float | None, run_us: float) -> dict[str, Any]:
    return {
        "us": us,
        "share": us / run_us,
        "macs": macs,
        "moved_bytes": moved,
        "gflops": 2 * macs / us / 1000 if macs and us else None,
        "intensity": 2 * macs / moved if moved else None,
        "bound_us": bound_us,
        "roofline": bound_us / us if bound_us is not None and us else None,
    }
