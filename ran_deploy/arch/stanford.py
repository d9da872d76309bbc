"""The Stanford networks for Tiny ImageNet: one soft attention module in front of inception reductions.

Source: Edirisooriya, "Residual Attention Networks for Image Classification" (Stanford University), sections 3 and 5.
Its figure 7 gives the shapes for 64×64 images: 64 channels at 64×64 from the stem and the soft attention, reductions
to 128 at 31×31, 320 at 15×15 and 832 at 7×7, which only unpadded windows give. What it leaves open is chosen here:

- Every convolution has a bias. Only residual modules have batch normalization, which the report names there only.
- A reduction's pool keeps its channels, so its two convolution branches share the rest equally: 32, 96, 256 each.
- The inception residual's branches have 32, 32-32 and 32-48-64 channels (the first of the latter two is the 1×1 that
  the report describes for efficiency), ReLU after each, and a 1×1 without one back to 320; no ReLU after the sum.
- The mask's average pools are 2×2, its upsampling bilinear with aligned corners.
- "No Attention" keeps the trunk of the soft attention and leaves out the mask; "Extra" has one hidden layer of 512.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.arch.blocks import bn_relu
from ran_deploy.arch.dropout import DropoutOptions
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.network import Attended, Attention, Branches, MaskBranch, Network, initialize, run


@dataclass(frozen=True, slots=True, kw_only=True)
class StanfordOptions(DropoutOptions):
    """What can be chosen about a Stanford network besides its classes."""

    dropout: float = 0.4
    """Probability with which a pooled feature is left out while training (report, section 5.2)."""


class Residual(nn.Module):
    """x + [BN-ReLU-3×3] twice (report, section 3.1). Shapes: [N, C, H, W] → [N, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            bn_relu(channels), _conv(channels, channels), bn_relu(channels), _conv(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's output."""
        return x + self.body(x)  # type: ignore[no-any-return]


class HourglassMask(MaskBranch):
    """Average pool, residual, average pool, residual, bilinear ×4, sigmoid (report, section 3.4).

    Shapes: [N, C, H, W] → [N, C, H, W], 0 to 1; H and W must be multiples of 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.AvgPool2d(2), Residual(channels), nn.AvgPool2d(2), Residual(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask M(x)."""
        up = functional.interpolate(self.down(x), scale_factor=4.0, mode="bilinear", align_corners=True)
        return up.sigmoid()


class HourglassAttention(Attention):
    """Trunk T (two residuals) and mask M from the same tensor: (1 + M)·T, evaluated as T + M·T.

    Shapes: [N, C, H, W] → [N, C, H, W]; H and W must be multiples of 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.trunk = _trunk(channels)
        self.mask = HourglassMask(channels)

    def forward(self, x: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the module's output; append what happened inside to ``seen`` where it is given."""
        trunk, mask = self.trunk(x), self.mask(x)
        fused = trunk + mask * trunk
        if seen is not None:
            seen.append(Attended(before=trunk, mask=mask, after=fused))
        return fused  # type: ignore[no-any-return]


class Reduction(nn.Module):
    """Max pool 3×3/2, 3×3/2 and 3×3 → 3×3/2, concatenated, ReLU (report, section 3.3); no padding where it strides.

    ReLU is applied in the branches, before the pool and after the convolutions: the same function as after the
    concatenation, and there it fuses with the convolutions.

    Shapes: [N, C, H, W] → [N, C + 2·branch, (H - 1) // 2, (W - 1) // 2].
    """

    def __init__(self, channels: int, branch: int) -> None:
        super().__init__()
        self.body = Branches(
            (
                nn.Sequential(nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2)),
                _active(channels, branch, stride=2),
                nn.Sequential(_active(channels, branch), _active(branch, branch, stride=2)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's output."""
        return self.body(x)  # type: ignore[no-any-return]


class InceptionResidual(nn.Module):
    """x + 1×1(concat[1×1, 1×1-3×3, 1×1-3×3-3×3]) (report, section 3.2). Shapes: [N, C, H, W] → [N, C, H, W].

    ``a``, ``b`` and ``c`` are the channels of the three branches' layers: a, a-a, a-b-c.
    """

    def __init__(self, channels: int, a: int, b: int, c: int) -> None:
        super().__init__()
        branches = Branches(
            (
                _active(channels, a, kernel=1),
                nn.Sequential(_active(channels, a, kernel=1), _active(a, a)),
                nn.Sequential(_active(channels, a, kernel=1), _active(a, b), _active(b, c)),
            )
        )
        self.body = nn.Sequential(branches, _conv(a + a + c, channels, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's output."""
        return x + self.body(x)  # type: ignore[no-any-return]


class StanfordNetwork(Network):
    """Stem, soft attention or its trunk alone, reductions, average pool, dropout, one or two dense layers."""

    def __init__(self, classes: int, options: StanfordOptions, *, attention: bool, last: bool, hidden: bool) -> None:
        super().__init__()
        c = options.channels
        first, second = c(64) + 2 * c(32), c(64) + 2 * c(32) + 2 * c(96)
        channels = second + 2 * c(256) if last else second
        self.stem = _conv(3, c(64))
        self.stages = nn.Sequential(
            HourglassAttention(c(64)) if attention else _trunk(c(64)),
            Reduction(c(64), c(32)),
            Residual(first),
            Reduction(first, c(96)),
            InceptionResidual(second, c(32), c(48), c(64)),
        )
        if last:
            self.stages.append(Reduction(second, c(256)))
        self.dropout = nn.Dropout(options.dropout)
        self.hidden = nn.Sequential(nn.Linear(channels, c(512)), nn.ReLU(inplace=True)) if hidden else nn.Sequential()
        self.classifier = nn.Linear(c(512) if hidden else channels, classes)
        self.size_multiple = 4 if attention else 1
        self.smallest = 15 if last else 7
        initialize(self, "fan_in")
        for layer in self.hidden.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits; see :meth:`Network.forward`."""
        self.check_size(images)
        x = run(self.stages, self.stem(images), seen)
        return self.classifier(self.hidden(self.dropout(x.mean(dim=(2, 3)))))  # type: ignore[no-any-return]


def _conv(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution with a bias; padded where it keeps the size."""
    return nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2 if stride == 1 else 0)


def _active(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(channels_in, channels, kernel, stride), nn.ReLU(inplace=True))


def _trunk(channels: int) -> nn.Sequential:
    return nn.Sequential(Residual(channels), Residual(channels))


def _entry(name: str, title: str, *, attention: bool, last: bool = False, hidden: bool = False) -> ArchEntry:
    build = partial(StanfordNetwork, attention=attention, last=last, hidden=hidden)
    return ArchEntry(
        name=name,
        title=f"{title} (Stanford report)",
        layout="cifar",
        home="tiny-imagenet",
        options=StanfordOptions,
        build=build,
    )


ENTRIES = (
    _entry("attn-none", "No Attention", attention=False),
    _entry("attn-none-extra", "No Attention Extra", attention=False, hidden=True),
    _entry("attn-simple", "Attn-Simple", attention=True),
    _entry("attn-reduction", "Attn-Reduction", attention=True, last=True),
)
"""No Attention, No Attention Extra, Attn-Simple and Attn-Reduction: 983,416, 1,186,168, 1,131,640 and 3,299,192
parameters with 200 classes."""
