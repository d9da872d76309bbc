"""AttentionNeXt: Residual Attention Networks of ResNeXt units, in the ImageNet layout.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, section 4.2, equal to the
authors' published AttentionNeXt-56/92 deploy files, parameter by parameter. Units are post-activation, half as wide
inside as outside, with 32 groups and a BN behind every convolution, shortcuts too. The mask's first 1×1 convolution
reads the upsampled features as they are; its second has no BN. Nothing follows the fusion but the next unit, and
nothing the last unit but the average pool.

There is no CIFAR layout: neither the paper nor the authors have one, and in one of 64 channels each of the 32 groups
would be a single channel.
"""

import math
from dataclasses import dataclass
from functools import partial

from torch import nn

from ran_deploy.arch.blocks import PostActUnit, bn_relu, conv
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.layout import ResidualAttentionNetwork, imagenet_layout
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.style import Style
from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionNextOptions(RanOptions):
    """What can be chosen about an AttentionNeXt."""

    groups: int | None = None
    """Groups of each unit's 3×3 convolution; default: 32, or in a narrow network as many as leave them their size."""

    def __post_init__(self) -> None:
        """Refuse values that name no network."""
        RanOptions.__post_init__(self)
        if self.groups is None:
            return
        if self.groups < 1:
            raise UsageError(f"groups is {self.groups}; expected at least 1.")
        if rest := [channels for channels in self._middles() if channels % self.groups]:
            raise UsageError(
                f"A unit has {rest[0]} channels inside, which do not make {self.groups} groups.",
                fix=f"Leave out groups, or choose one such as {self._fitting()}.",
            )

    def cardinality(self) -> int:
        """Return the number of groups."""
        return self._fitting() if self.groups is None else self.groups

    def _middles(self) -> tuple[int, ...]:
        return tuple(self.channels(base) // 2 for base in (256, 512, 1024, 2048))

    def _fitting(self) -> int:
        common = math.gcd(*self._middles())
        return max(groups for groups in range(1, 33) if common % groups == 0 and groups <= max(1, 32 * self.width))


def style(options: AttentionNextOptions) -> Style:
    """Return the style of an AttentionNeXt."""

    def unit(channels_in: int, channels_out: int, stride: int) -> nn.Module:
        return PostActUnit(channels_in, channels_out, stride, middle=channels_out // 2, groups=options.cardinality())

    return Style(unit=unit, mask_head=_mask_head, final=lambda _: nn.Identity())


def attention_next(
    modules: tuple[int, int, int], classes: int, options: AttentionNextOptions
) -> ResidualAttentionNetwork:
    """Build an AttentionNeXt.

    Args:
        modules: Attention modules in the stages at 56×56, 28×28 and 14×14 (for a 224×224 input).
        classes: Number of classes.
        options: Depths, width, groups and variants.
    """
    return imagenet_layout(modules, classes, options, style(options))


def _mask_head(channels: int) -> nn.Sequential:
    return nn.Sequential(conv(channels, channels), bn_relu(channels), conv(channels, channels))


def _entry(name: str, modules: tuple[int, int, int]) -> ArchEntry:
    return ArchEntry(
        name=name,
        title=f"AttentionNeXt-{name.removeprefix('attnext')} (Wang et al., 2017)",
        layout="imagenet",
        home="imagenet",
        options=AttentionNextOptions,
        build=partial(attention_next, modules),
    )


ENTRIES = (_entry("attnext56", (1, 1, 1)), _entry("attnext92", (1, 2, 3)))
"""31,318,824 and 52,102,952 parameters with 1,000 classes at 224×224."""
