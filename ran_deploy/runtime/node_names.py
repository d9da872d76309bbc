"""Which module of the network a node belongs to: from the names that the exporter leaves."""

from collections.abc import Sequence

_WEIGHTED = ("Conv", "Gemm", "MatMul")


def telling_names(op: str, name: str, inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the names that may tell a node's module, the surest first.

    The exporter names a node after its module ("stages.1.mask.down.0.0.body.1.0/Conv") and a weight after its
    parameter ("network.stem.weight"). The weight's name goes first: where a convolution was folded with the batch
    normalization behind it, the node bears the name of the latter.

    Args:
        op: The node's operator.
        name: Its name.
        inputs: Names of its inputs.
    """
    return (inputs[1], name) if op in _WEIGHTED and len(inputs) > 1 else (name,)
