"""AttentionInception-56: the Residual Attention Network of Inception units, in the ImageNet layout.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, section 4.2, which gives its
size (31.9M parameters, 6.3 billion multiply-adds) and not its unit: the authors published no file of it. The unit here
is this project's own reading. It is a pre-activation unit whose 3×3 convolution is replaced by what GoogLeNet's
modules have (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015): a 1×1, a 1×1 and 3×3, and a 1×1 and 5×5 side
by side. With three weighted layers on its longest path the trunk depth stays 56. The branches' widths of 5/32, 6/32
and 1/32 of the unit's channels are those with which the network comes nearest to both published numbers: 32,127,192
parameters and 6.303 billion multiply-adds. All else is as in Attention-56.

There is no CIFAR layout: the paper has none.
"""

from torch import Tensor, nn

from ran_deploy.arch.blocks import bn_relu, conv
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.layout import imagenet_layout
from ran_deploy.arch.network import Branches
from ran_deploy.arch.ran import mask_head
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.style import Style

_POINT, _THREE, _FIVE = 5, 6, 1
"""Channels of the branches, in 32nds of the unit's."""


class InceptionUnit(nn.Module):
    """BN-ReLU → [1×1 ‖ 1×1-BN-ReLU-3×3 ‖ 1×1-BN-ReLU-5×5], each with BN-ReLU → concatenated → 1×1, plus identity.

    The last convolution of each branch carries the stride. The identity is the raw input; where channels or stride
    change, a 1×1 projection of the pre-activated input replaces it.

    Shapes: [N, channels_in, H, W] → [N, channels_out, H/stride, W/stride].
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        point, three, five = (max(1, channels_out * share // 32) for share in (_POINT, _THREE, _FIVE))
        self.preact = bn_relu(channels_in)
        self.body = nn.Sequential(
            Branches(
                (
                    nn.Sequential(conv(channels_in, point, stride=stride), bn_relu(point)),
                    _branch(channels_in, three, kernel=3, stride=stride),
                    _branch(channels_in, five, kernel=5, stride=stride),
                )
            ),
            conv(point + three + five, channels_out),
        )
        changes = channels_in != channels_out or stride != 1
        self.shortcut = conv(channels_in, channels_out, stride=stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output."""
        activated = self.preact(x)
        identity = x if self.shortcut is None else self.shortcut(activated)
        return identity + self.body(activated)  # type: ignore[no-any-return]


def _branch(channels_in: int, channels: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        conv(channels_in, channels), bn_relu(channels), conv(channels, channels, kernel, stride), bn_relu(channels)
    )


INCEPTION = Style(unit=InceptionUnit, mask_head=mask_head, final=bn_relu)
"""As Attention-56 around the unit."""

ENTRIES = (
    ArchEntry(
        name="attincept56",
        title="AttentionInception-56 (Wang et al., 2017)",
        layout="imagenet",
        home="imagenet",
        options=RanOptions,
        build=lambda classes, options: imagenet_layout((1, 1, 1), classes, options, INCEPTION),
    ),
)
"""32,127,192 parameters with 1,000 classes at 224×224."""
