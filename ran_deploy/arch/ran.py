"""Residual Attention Networks with pre-activation units: the ImageNet and the CIFAR layouts.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017: table 2 (ImageNet) and
section 4.1 (CIFAR). The ImageNet layout equals the authors' published deploy files, parameter by parameter.
The CIFAR layout meets the paper's trunk depth of 36m + 20.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ran_deploy.arch.attention import AttentionModule, Learning
from ran_deploy.arch.blocks import PreActUnit, bn_relu, conv
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.network import Attended, Network, initialize, run
from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class RanOptions:
    """What can be chosen about a Residual Attention Network besides its depth and its classes."""

    p: int = 1
    """Units before and after the split into trunk and mask (paper, section 3.3)."""
    t: int = 2
    """Units in the trunk branch."""
    r: int = 1
    """Units between adjacent pooling layers of the mask branch."""
    width: float = 1.0
    """Multiplier of every stage's and the stem's channels."""
    mask_depths: tuple[int, int, int] = (3, 2, 1)
    """How many times each stage's mask halves the resolution."""
    learning: Learning = "residual"
    """Attention residual learning, (1 + M)·T, or naive attention learning, M·T."""

    def __post_init__(self) -> None:
        """Refuse values that name no network."""
        if min(self.p, self.t, self.r) < 1:
            raise UsageError(f"p, t and r are {self.p}, {self.t}, {self.r}; each must be at least 1.")
        if len(self.mask_depths) != 3 or min(self.mask_depths) < 1:
            raise UsageError(f"mask_depths is {self.mask_depths}; expected three numbers of at least 1.")
        if not 0.125 <= self.width <= 16:
            raise UsageError(f"width is {self.width}; expected a multiplier from 0.125 to 16.")
        if self.learning not in ("residual", "naive"):
            raise UsageError(f"learning is {self.learning!r}; expected 'residual' or 'naive'.")

    def channels(self, base: int) -> int:
        """Return ``base`` channels times the width, as a multiple of 4 (the bottleneck divides by 4)."""
        return max(4, round(base * self.width / 4) * 4)


class ResidualAttentionNetwork(Network):
    """A Residual Attention Network.

    Takes float32 NCHW images, already normalized, and returns logits [N, classes]. Height and width must be
    multiples of ``size_multiple``.
    """

    def __init__(self, stem: nn.Module, stages: nn.Sequential, channels: int, classes: int, size_multiple: int) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.final = bn_relu(channels)
        self.classifier = nn.Linear(channels, classes)
        self.size_multiple = size_multiple
        initialize(self)

    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits; see :meth:`Network.forward`."""
        self.check_size(images)
        x = run(self.stages, self.stem(images), seen)
        return self.classifier(self.final(x).mean(dim=(2, 3)))  # type: ignore[no-any-return]


def imagenet_ran(modules: tuple[int, int, int], classes: int, options: RanOptions) -> ResidualAttentionNetwork:
    """Build the ImageNet layout (paper, table 2).

    Args:
        modules: Attention modules in the stages at 56×56, 28×28 and 14×14 (for a 224×224 input).
        classes: Number of classes.
        options: p, t, r, width, mask depths, learning.
    """
    c = options.channels
    stem = nn.Sequential(
        conv(3, c(64), kernel=7, stride=2),
        bn_relu(c(64)),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=0, ceil_mode=True),
    )
    stages = _stages(c(64), [(c(256), 1), (c(512), 2), (c(1024), 2)], modules, options, closing_units=False)
    for position in range(3):
        stages.append(PreActUnit(c(1024) if position == 0 else c(2048), c(2048), stride=2 if position == 0 else 1))
    multiple = max(4 << index << depth for index, depth in enumerate(options.mask_depths))
    return ResidualAttentionNetwork(stem, stages, c(2048), classes, max(multiple, 32))


def cifar_ran(modules: int, classes: int, options: RanOptions) -> ResidualAttentionNetwork:
    """Build the CIFAR layout (paper, section 4.1): trunk depth 36·modules + 20 with the default options.

    Args:
        modules: Attention modules in each of the three stages: 1 for Attention-56, 2 for Attention-92.
        classes: Number of classes.
        options: p, t, r, width, mask depths, learning.
    """
    c = options.channels
    stem = conv(3, c(16), kernel=3)
    plan = [(c(64), 1), (c(128), 2), (c(256), 2)]
    stages = _stages(c(16), plan, (modules,) * 3, options, closing_units=True)
    multiple = max(1 << index << depth for index, depth in enumerate(options.mask_depths))
    return ResidualAttentionNetwork(stem, stages, c(256), classes, multiple)


def _stages(
    channels: int,
    plan: list[tuple[int, int]],
    modules: tuple[int, ...],
    options: RanOptions,
    *,
    closing_units: bool,
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for (width, stride), count, depth in zip(plan, modules, options.mask_depths, strict=True):
        layers.append(PreActUnit(channels, width, stride))
        channels = width
        layers.extend(
            AttentionModule(width, depth, p=options.p, t=options.t, r=options.r, learning=options.learning)
            for _ in range(count)
        )
        if closing_units:
            layers.append(PreActUnit(width, width))
    return nn.Sequential(*layers)


ENTRIES = (
    ArchEntry(
        name="att56",
        layout="cifar",
        home="cifar10",
        options=RanOptions,
        build=lambda classes, options: cifar_ran(1, classes, options),
    ),
    ArchEntry(
        name="att92",
        layout="cifar",
        home="cifar10",
        options=RanOptions,
        build=lambda classes, options: cifar_ran(2, classes, options),
    ),
    ArchEntry(
        name="att56",
        layout="imagenet",
        home="imagenet",
        options=RanOptions,
        build=lambda classes, options: imagenet_ran((1, 1, 1), classes, options),
    ),
    ArchEntry(
        name="att92",
        layout="imagenet",
        home="imagenet",
        options=RanOptions,
        build=lambda classes, options: imagenet_ran((1, 2, 3), classes, options),
    ),
)
"""Attention-56 and Attention-92: 1,030,362 and 1,841,242 parameters with 10 classes at 32×32; 31,810,728 and 52,466,344
with 1,000 at 224×224."""
