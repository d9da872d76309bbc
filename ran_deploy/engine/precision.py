"""Asked for against obtained: whether the engine computes in the precision that was wanted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ran_deploy.engine.layers import Layer
from ran_deploy.errors import GateError
from ran_deploy.manifest import Precision
from ran_deploy.quant.compute import UNKNOWN

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeNode:
    """An ONNX node with weights, and the type that the engine computes it in."""

    name: str
    operator: str
    obtained: str
    """Such as "fp16"; "unknown" where no layer of the engine names the node as its origin."""
    layer: str
    """Name of the engine's layer; empty where it is unknown."""


def obtained_types(operators: Mapping[str, str], layers: tuple[Layer, ...]) -> tuple[ComputeNode, ...]:
    """Say for each compute node of the ONNX graph in which type the engine computes it.

    A layer's type is that of its largest constant, the weights; where it has none, that of its first input.
    Of several layers made from one node (a convolution and the padding in front of it) the one with the most
    weights counts.
    """
    found: dict[str, Layer] = {}
    for layer in layers:
        for origin in layer.origins:
            if origin not in found or layer.weight_count > found[origin].weight_count:
                found[origin] = layer
    return tuple(
        ComputeNode(
            name=name,
            operator=operator,
            obtained=_type(found[name]) if name in found else UNKNOWN,
            layer=found[name].name if name in found else "",
        )
        for name, operator in operators.items()
    )


def check_obtained(asked: Precision, nodes: tuple[ComputeNode, ...]) -> dict[str, int]:
    """Count the compute nodes by obtained type, and fail where one is not in the precision asked for.

    Nodes kept in float32 on purpose must have stayed there; in an int8 engine they may be float16 too.

    Args:
        asked: The precision asked for, and the nodes that were left in a higher one on purpose.
        nodes: What the engine really does.

    Raises:
        GateError: A node is in another type, or no layer of the engine names it.
    """
    counts = dict(sorted(Counter(node.obtained for node in nodes).items()))
    kept = set(asked.kept)
    floats = ("fp32", "fp16") if asked.asked == "int8" else ("fp32",)
    wrong = [node for node in nodes if node.obtained not in (floats if node.name in kept else (asked.asked,))]
    if not wrong:
        return counts
    named = ", ".join(f"{node.operator} {node.name} is {node.obtained}" for node in wrong[:_NAMED])
    more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    raise GateError(
        f"{asked.asked} was asked for, but {len(wrong)} of {len(nodes)} compute nodes were built otherwise: "
        f"{named}{more}.",
        fix=f"Make the ONNX file again with: ran-deploy quantize --precision {asked.asked}"
        if asked.asked != "fp32"
        else "Build from the float32 file that ran-deploy export writes.",
        details={"asked": asked.asked, "obtained": counts, "nodes": wrong},
    )


def _type(layer: Layer) -> str:
    return layer.weights or (layer.inputs[0] if layer.inputs else UNKNOWN)
