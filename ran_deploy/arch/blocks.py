"""The building block of every Residual Attention Network: the pre-activation bottleneck unit.

Source: He et al., "Identity Mappings in Deep Residual Networks" (2016), as wired in the published
Attention-56/92 deploy files of Wang et al. (CVPR 2017).
"""

from torch import Tensor, nn


def conv(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> nn.Conv2d:
    """A bias-free convolution with "same" padding; in these networks only the classifier has a bias."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)


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
