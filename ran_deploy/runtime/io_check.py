"""A model's own inputs and outputs against its contract, whatever runtime read them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ran_deploy.errors import IntegrityError
from ran_deploy.manifest import DYNAMIC, TensorSpec


class Port(NamedTuple):
    """An input or an output as the runtime sees it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """Dimensions; :data:`~ran_deploy.manifest.DYNAMIC` for one that is not fixed."""


def check_ports(side: str, path: Path, expected: Sequence[TensorSpec], found: Sequence[Port]) -> None:
    """Compare one side of a model with its contract.

    Args:
        side: "input" or "output".
        path: The model's file.
        expected: What the contract says.
        found: What the runtime read from the file.

    Raises:
        IntegrityError: They differ in number, name, type or shape.
    """
    wanted = [_describe(Port(spec.name, spec.dtype, spec.shape)) for spec in expected]
    actual = [_describe(port) for port in found]
    if wanted != actual:
        raise IntegrityError(
            f"{path} has the {side} {', '.join(actual) or 'none'}; its contract says {', '.join(wanted)}.",
            fix="Export the model again.",
        )


def _describe(port: Port) -> str:
    shape = " × ".join("N" if length == DYNAMIC else str(length) for length in port.shape)
    return f"{port.name!r} {port.dtype} [{shape}]"
