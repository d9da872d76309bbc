"""What every network of the registry is, and what the rest of the project may ask of its parts.

A family of networks (one file each) builds on these; masks, counts and export know nothing else of it.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """What one attention module did to its features; each [N, C, H, W]."""

    before: Tensor
    """The trunk's features T."""
    mask: Tensor
    """The soft mask M: 0 to 1, or with channel attention -1 to 1."""
    after: Tensor
    """What goes on: (1 + M)·T, or M·T where attention is learned naively."""


class MaskBranch(nn.Module):
    """The base of every mask branch, whose layers do not count to the depth of the trunk."""


class Branches(nn.ModuleList):
    """Parallel branches that read the same tensor, concatenated along the channels; their depth is the deepest one's.

    Shapes: [N, C, H, W] → [N, sum of the branches' channels, H', W'].
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return what the branches make of ``x``, in their order."""
        return torch.cat([branch(x) for branch in self], dim=1)


class Attention(nn.Module):
    """The base of every attention module: a trunk and a :class:`MaskBranch` that are fused."""

    channels: int
    """Channels of the features in and out; modules of one width make a stage."""

    @abstractmethod
    def forward(self, x: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the module's output; append what happened inside to ``seen`` where it is given."""


class Network(nn.Module):
    """The base of every network: float32 NCHW images, already normalized, to logits [N, classes]."""

    size_multiple: int = 1
    """Height and width must be multiples of this."""
    smallest: int = 1
    """Height and width must be at least this."""
    only: int | None = None
    """Height and width must be exactly this, where a dense layer has weights for each position."""

    @abstractmethod
    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits [N, classes] of ``images`` [N, 3, H, W].

        Args:
            images: Normalized images.
            seen: Where given, what each attention module did is appended to it, in the order of the modules.

        Raises:
            UsageError: The network does not take this H or W.
        """

    def check_size(self, images: Tensor) -> None:
        """Check the height and width of ``images`` [N, 3, H, W].

        Raises:
            UsageError: The network does not take them.
        """
        height, width = images.shape[2:]
        if self.only is not None and (height, width) != (self.only, self.only):
            raise UsageError(
                f"The images are {height}×{width}; this network takes {self.only}×{self.only} only.",
                fix="Resize the images, or choose another network.",
            )
        if height % self.size_multiple or width % self.size_multiple:
            raise UsageError(
                f"The images are {height}×{width}; this network takes multiples of {self.size_multiple}.",
                fix="Resize the images.",
            )
        if min(height, width) < self.smallest:
            raise UsageError(
                f"The images are {height}×{width}; this network takes at least {self.smallest}×{self.smallest}.",
                fix="Resize the images.",
            )


def run(layers: nn.Sequential, x: Tensor, seen: list[Attended] | None) -> Tensor:
    """Return what ``layers`` make of ``x``, with ``seen`` handed to those that are attention modules."""
    for layer in layers:
        x = layer(x, seen) if isinstance(layer, Attention) else layer(x)
    return x


def initialize(network: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_out") -> None:
    """Give convolutions He's normal weights and linear layers small ones, all with zero biases, in place.

    ``mode`` "fan_in" keeps the size of the activations, which layers without batch normalization need.
    """
    if next(network.parameters()).is_meta:
        return  # only described: there is nothing to fill, and PyTorch takes seconds for it
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
