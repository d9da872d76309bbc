"""The building blocks of residual networks: bottleneck units with the activation in front, or behind.

Sources: He et al., "Identity Mappings in Deep Residual Networks" (2016), as wired in the published Attention-56/92
deploy files of Wang et al. (CVPR 2017); He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016); Xie et
al., "Aggregated Residual Transformations for Deep Neural Networks" (CVPR 2017) for groups, as in the published
AttentionNeXt-56/92 deploy files.
"""

from torch import Tensor, nn


def conv(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A bias-free convolution with "same" padding; in these networks only the classifier has a bias."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def bn_relu(channels: int) -> nn.Sequential:
    """Batch normalization (eps 1e-5, torch momentum 0.1) and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class PreActUnit(nn.Module):
    """Pre-activation bottleneck: BN-ReLU-1×1 → BN-ReLU-3×3 (carries the stride) → BN-ReLU-1×1, plus identity.

    The identity is the raw input. Where channels or stride change, a 1×1 projection without BN replaces it;
    the projection reads the pre-activated input.

    Shapes: [N, channels_in, H, W] → [N, channels_out, H/stride, W/stride].
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        middle = channels_out // 4
        self.preact = bn_relu(channels_in)
        self.body = nn.Sequential(
            conv(channels_in, middle),
            bn_relu(middle),
            conv(middle, middle, kernel=3, stride=stride),
            bn_relu(middle),
            conv(middle, channels_out),
        )
        changes = channels_in != channels_out or stride != 1
        self.shortcut = conv(channels_in, channels_out, stride=stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output."""
        activated = self.preact(x)
        identity = x if self.shortcut is None else self.shortcut(activated)
        return identity + self.body(activated)  # type: ignore[no-any-return]


class PostActUnit(nn.Module):
    """Bottleneck: 1×1-BN-ReLU → 3×3-BN-ReLU (carries the stride) → 1×1-BN, plus identity, then ReLU.

    Where channels or stride change, a 1×1 projection with BN replaces the identity. A ResNeXt unit is wider inside, and
    its 3×3 convolution is in groups.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        stride: Of the 3×3 convolution and the projection.
        middle: Channels inside; None: a quarter of the output's.
        groups: Groups of the 3×3 convolution.

    Shapes: [N, channels_in, H, W] → [N, channels_out, H/stride, W/stride], rounded up.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int = 1, *, middle: int | None = None, groups: int = 1
    ) -> None:
        super().__init__()
        middle = channels_out // 4 if middle is None else middle
        self.body = nn.Sequential(
            conv(channels_in, middle),
            bn_relu(middle),
            conv(middle, middle, kernel=3, stride=stride, groups=groups),
            bn_relu(middle),
            conv(middle, channels_out),
            nn.BatchNorm2d(channels_out),
        )
        changes = channels_in != channels_out or stride != 1
        self.shortcut = _projection(channels_in, channels_out, stride) if changes else nn.Identity()
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output."""
        return self.activation(self.shortcut(x) + self.body(x))  # type: ignore[no-any-return]


def _projection(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(conv(channels_in, channels_out, stride=stride), nn.BatchNorm2d(channels_out))
