"""What the first bytes of a plan tell: undocumented, so a hint beside the manifest and never a proof."""

from dataclasses import dataclass

from ran_deploy.errors import IntegrityError

HEADER_BYTES = 36
_MAGIC_TAIL = b"trt"
_VERSION = slice(24, 28)
_TARGETS = 32
_BITS = {1: "sm75", 2: "sm80", 4: "sm86", 8: "sm89", 16: "sm120", 32: "sm121"}
_AND_LATER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHeader:
    """The library version that wrote a plan, and TensorRT-RTX's targets."""

    version: str
    """Such as "1.7.1.116"."""
    targets: tuple[str, ...]
    """Compute capabilities; the last ends in "+" where later GPUs are covered. Of meaning for TensorRT-RTX only."""


def read_header(plan: bytes, name: str = "The file") -> PlanHeader:
    """Read the header of a plan, which an error calls by ``name``.

    Bytes 24 to 27 hold the version. In TensorRT-RTX plans byte 32 is a bit mask of targets, of which the bit 64
    is set in plans built for the default targets, which run on later GPUs too.

    Raises:
        IntegrityError: The bytes are not the beginning of a TensorRT plan.
    """
    if len(plan) < HEADER_BYTES or plan[1:4] != _MAGIC_TAIL:
        raise IntegrityError(f"{name} does not begin like a TensorRT plan.", fix="Build it again: ran-deploy build")
    mask = plan[_TARGETS]
    targets = [name for bit, name in _BITS.items() if mask & bit]
    if targets and mask & _AND_LATER:
        targets[-1] += "+"
    return PlanHeader(version=".".join(str(part) for part in plan[_VERSION]), targets=tuple(targets))
