"""The GPUs that a plan is built for ahead of time: TensorRT-RTX's list of compute capabilities."""

import re
from typing import Any

from ran_deploy.engine.flavour import Flavour
from ran_deploy.errors import UsageError


def check_targets(flavour: Flavour, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``targets`` without repetition, in ascending order.

    Args:
        flavour: The library that will build.
        targets: Compute capabilities such as "sm89"; empty: the library's default.

    Raises:
        UsageError: A target that the library does not build for, or targets for the full TensorRT.
    """
    if not targets:
        return ()
    if flavour.name == "tensorrt":
        raise UsageError(
            "The full TensorRT builds for the GPU that it runs on; --targets cannot be chosen.",
            fix="Leave --targets out, or use --flavour tensorrt-rtx.",
        )
    members = flavour.module.ComputeCapability.__members__
    known = sorted((name.lower() for name in members if re.fullmatch(r"SM\d+", name)), key=_number)
    for target in targets:
        if target not in known:
            raise UsageError(
                f"TensorRT-RTX {flavour.version} does not build for {target!r}; it builds for {', '.join(known)}.",
                fix="Use those; for a data-centre GPU such as H100 (sm90), --flavour tensorrt on that machine.",
            )
    return tuple(sorted(set(targets), key=_number))


def set_targets(flavour: Flavour, config: Any, targets: tuple[str, ...]) -> None:
    """Set checked targets in a TensorRT-RTX builder configuration; none leaves the library's default."""
    if not targets:
        return
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        config.set_compute_capability(flavour.module.ComputeCapability.__members__[target.upper()], index)


def _number(target: str) -> int:
    return int(target[2:])
