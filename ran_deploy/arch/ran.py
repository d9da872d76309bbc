"""Residual Attention Networks with pre-activation units: Attention-56 to Attention-452.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017: table 2 (ImageNet) and
section 4.1 (CIFAR). The ImageNet layout equals the authors' published deploy files, parameter by parameter.
The CIFAR layout meets the paper's trunk depth of 36m + 20 for m modules in each stage.
"""

from dataclasses import dataclass

from torch import nn

from ran_deploy.arch.blocks import PreActUnit, bn_relu, conv
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.layout import cifar_layout, imagenet_layout
from ran_deploy.arch.ran_options import MaskUnits, RanOptions
from ran_deploy.arch.style import Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention452Options(RanOptions):
    """Attention-452 is Attention-236 with p = 2, t = 4 and r = 3, 8.6M parameters by the paper (section 4.1).

    How r counts is not written down there. With 2r units at the bottom of a mask and r on each level up, as r = 1 in
    the published files can be read, the network has 10.18M parameters; with r on the levels down only, r + 1 at the
    bottom and 1 on each level up, which is the same for r = 1, it has 8.75M. The latter is nearer, and the default.
    """

    p: int = 2
    """Units before and after the split into trunk and mask."""
    t: int = 4
    """Units in the trunk branch."""
    r: int = 3
    """Units between adjacent pooling layers of the mask branch."""
    mask_units: MaskUnits = "downward"
    """Where r counts: on each level down and up, and twice at the bottom; or on the levels down only, with r + 1 units
    at the bottom and one on each level up."""


def mask_head(channels: int) -> nn.Sequential:
    """What ends a mask branch of pre-activation units: twice BN-ReLU-1×1."""
    return nn.Sequential(bn_relu(channels), conv(channels, channels), bn_relu(channels), conv(channels, channels))


PRE_ACTIVATION = Style(unit=PreActUnit, mask_head=mask_head, final=bn_relu)
"""Of the published Attention-56 and Attention-92; the last unit's sum still needs its BN-ReLU."""


def _cifar(name: str, modules: int, options: type[RanOptions] = RanOptions) -> ArchEntry:
    return ArchEntry(
        name=name,
        title=f"Attention-{name.removeprefix('att')} (Wang et al., 2017)",
        layout="cifar",
        home="cifar10",
        options=options,
        build=lambda classes, chosen: cifar_layout(modules, classes, chosen, PRE_ACTIVATION),
    )


def _imagenet(name: str, modules: tuple[int, int, int]) -> ArchEntry:
    return ArchEntry(
        name=name,
        title=f"Attention-{name.removeprefix('att')} (Wang et al., 2017)",
        layout="imagenet",
        home="imagenet",
        options=RanOptions,
        build=lambda classes, chosen: imagenet_layout(modules, classes, chosen, PRE_ACTIVATION),
    )


ENTRIES = (
    _cifar("att56", 1),
    _cifar("att92", 2),
    _cifar("att128", 3),
    _cifar("att164", 4),
    _cifar("att236", 6),
    _cifar("att452", 6, Attention452Options),
    _imagenet("att56", (1, 1, 1)),
    _imagenet("att92", (1, 2, 3)),
)
"""1,030,362, 1,841,242, 2,652,122, 3,463,002, 5,084,762 and 8,745,818 parameters with 10 classes at 32×32; 31,810,728
and 52,466,344 with 1,000 at 224×224."""
