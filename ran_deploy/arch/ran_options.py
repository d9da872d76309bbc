"""What can be chosen about a Residual Attention Network besides its depth and its classes."""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from ran_deploy.arch.width import WidthOptions
from ran_deploy.errors import UsageError

Learning = Literal["residual", "naive"]
AttentionType = Literal["mixed", "channel", "spatial"]
MaskStructure = Literal["encoder-decoder", "local"]
MaskUnits = Literal["symmetric", "downward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RanOptions(WidthOptions):
    """Depths, width and the variants that the paper compares."""

    p: int = 1
    """Units before and after the split into trunk and mask (paper, section 3.3)."""
    t: int = 2
    """Units in the trunk branch."""
    r: int = 1
    """Units between adjacent pooling layers of the mask branch."""
    mask_depths: tuple[int, int, int] = (3, 2, 1)
    """How many times each stage's mask halves the resolution."""
    learning: Learning = "residual"
    """Attention residual learning, (1 + M)·T, or naive attention learning, M·T."""
    attention: AttentionType = "mixed"
    """What makes the mask: a sigmoid of each value; a normalization over the channels at each position; or one over the
    positions of each channel, and a sigmoid (paper, section 3.3)."""
    mask: MaskStructure = "encoder-decoder"
    """A mask that pools and upsamples, or three units without a change of resolution (paper, section 4.1)."""
    mask_units: MaskUnits = "symmetric"
    """Where r counts: on each level down and up, and twice at the bottom; or on the levels down only, with r + 1 units
    at the bottom and one on each level up. With r = 1 both are the same."""

    def __post_init__(self) -> None:
        """Refuse values that name no network."""
        WidthOptions.__post_init__(self)  # super() does not work in a dataclass with slots
        if min(self.p, self.t, self.r) < 1:
            raise UsageError(f"p, t and r are {self.p}, {self.t}, {self.r}; each must be at least 1.")
        if len(self.mask_depths) != 3 or min(self.mask_depths) < 1:
            raise UsageError(f"mask_depths is {self.mask_depths}; expected three numbers of at least 1.")
        for name, kind in _CHOICES.items():
            if (value := getattr(self, name)) not in get_args(kind):
                known = " or ".join(repr(choice) for choice in get_args(kind))
                raise UsageError(f"{name} is {value!r}; expected {known}.")
        self._refuse_ignored()

    def _refuse_ignored(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        for name in ("r", "mask_depths", "mask_units") if self.mask == "local" else ():
            if getattr(self, name) != defaults[name]:
                raise UsageError(
                    f"{name} is given, which a local mask does not have: it is three units without pooling.",
                    fix=f"Leave out {name}, or mask = 'local'.",
                )

    def mask_depth(self, stage: int) -> int:
        """Return how many times the masks of a stage, counted from 0, halve the resolution."""
        return 0 if self.mask == "local" else self.mask_depths[stage]


_CHOICES = {"learning": Learning, "attention": AttentionType, "mask": MaskStructure, "mask_units": MaskUnits}
