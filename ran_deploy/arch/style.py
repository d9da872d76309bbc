"""What the families of Residual Attention Networks differ in: their unit, and what stands around it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The parts that a layout is built of."""

    unit: Callable[[int, int, int], nn.Module]
    """Makes a residual unit of channels in, channels out and stride."""
    mask_head: Callable[[int], nn.Sequential]
    """Makes what ends a mask branch of so many channels: two 1×1 convolutions."""
    final: Callable[[int], nn.Module]
    """Makes what comes between the last unit and the average pool."""

    def units(self, channels: int, count: int) -> nn.Sequential:
        """Return ``count`` units that keep channels and resolution."""
        return nn.Sequential(*(self.unit(channels, channels, 1) for _ in range(count)))
