"""The mask branches of an attention module: bottom-up top-down, and local convolutions.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, sections 3.2 and 4.1; wiring as
in the published deploy files.
"""

from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.arch.attention_type import ATTENTION_TYPES
from ran_deploy.arch.network import MaskBranch
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.style import Style

LOCAL_UNITS = 3
"""Units of a local mask (paper, section 4.1)."""


class SoftMask(MaskBranch):
    """Bottom-up top-down mask, of the same shape as its input.

    Each of ``depth`` levels halves the resolution (max pool 3×3/2 by Caffe's ceil rule) and runs r units, the lowest
    2r; on the way up, each level is upsampled (bilinear, aligned corners), the skip unit's output of the same
    resolution is added, and r units follow; ``mask_units`` of the options counts them otherwise. At full resolution
    there is no skip: the last upsample leads to the two 1×1 convolutions of the style and the attention type.

    Shapes: [N, C, H, W] → [N, C, H, W]; H and W must be multiples of 2**depth.
    """

    def __init__(self, channels: int, depth: int, options: RanOptions, style: Style) -> None:
        super().__init__()
        inner, r = depth - 1, options.r
        symmetric = options.mask_units == "symmetric"
        self.down = nn.ModuleList(style.units(channels, r) for _ in range(inner))
        self.skip = nn.ModuleList(style.units(channels, 1) for _ in range(inner))
        self.bottom = style.units(channels, 2 * r if symmetric else r + 1)
        self.up = nn.ModuleList(style.units(channels, r if symmetric else 1) for _ in range(inner))
        self.head = style.mask_head(channels)
        self.attention = ATTENTION_TYPES[options.attention]

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask M(x)."""
        skipped = []
        for down, skip in zip(self.down, self.skip, strict=True):
            x = down(_pool(x))
            skipped.append(skip(x))
        x = self.bottom(_pool(x))
        for up, side in zip(self.up, reversed(skipped), strict=True):
            x = up(_upsample(x) + side)
        return self.attention(self.head(_upsample(x)))


class LocalMask(MaskBranch):
    """The mask that the paper compares with: three units at the resolution of the features, the same head behind them.

    Shapes: [N, C, H, W] → [N, C, H, W].
    """

    def __init__(self, channels: int, options: RanOptions, style: Style) -> None:
        super().__init__()
        self.local = style.units(channels, LOCAL_UNITS)
        self.head = style.mask_head(channels)
        self.attention = ATTENTION_TYPES[options.attention]

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask M(x)."""
        return self.attention(self.head(self.local(x)))


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, kernel_size=3, stride=2, padding=0, ceil_mode=True)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
