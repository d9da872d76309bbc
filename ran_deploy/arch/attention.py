"""The attention module: a trunk, a bottom-up top-down soft mask, and how the two are fused.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, sections 3.1 to 3.3;
wiring as in the published Attention-56/92 deploy files.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.arch.blocks import bn_relu, conv, units
from ran_deploy.arch.network import Attended, Attention, MaskBranch

Learning = Literal["residual", "naive"]


class SoftMask(MaskBranch):
    """Bottom-up top-down mask in (0, 1), of the same shape as its input.

    Each of ``depth`` levels halves the resolution (max pool 3×3/2 by Caffe's ceil rule) and runs ``r`` units,
    the lowest 2r; on the way up, each level is upsampled (bilinear, aligned corners), the skip unit's output
    of the same resolution is added, and r units follow. At full resolution there is no skip: the last upsample
    leads to two BN-ReLU-1×1 and the sigmoid.

    Shapes: [N, C, H, W] → [N, C, H, W]; H and W must be multiples of 2**depth.
    """

    def __init__(self, channels: int, depth: int, r: int) -> None:
        super().__init__()
        inner = depth - 1
        self.down = nn.ModuleList(units(channels, r) for _ in range(inner))
        self.skip = nn.ModuleList(units(channels, 1) for _ in range(inner))
        self.bottom = units(channels, 2 * r)
        self.up = nn.ModuleList(units(channels, r) for _ in range(inner))
        self.head = nn.Sequential(
            bn_relu(channels), conv(channels, channels), bn_relu(channels), conv(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask M(x)."""
        skipped = []
        for down, skip in zip(self.down, self.skip, strict=True):
            x = down(_pool(x))
            skipped.append(skip(x))
        x = self.bottom(_pool(x))
        for up, side in zip(self.up, reversed(skipped), strict=True):
            x = up(_upsample(x) + side)
        return self.head(_upsample(x)).sigmoid()  # type: ignore[no-any-return]


class AttentionModule(Attention):
    """p units, then trunk T (t units) and mask M from the same tensor, fused, then p units.

    ``learning`` is "residual" for H = (1 + M)·T, the paper's equation 3, or "naive" for H = M·T, equation 1.
    The residual form is evaluated as T + M·T, which ONNX Runtime keeps in its blocked memory layout.

    Shapes: [N, C, H, W] → [N, C, H, W].
    """

    def __init__(self, channels: int, depth: int, *, p: int, t: int, r: int, learning: Learning) -> None:
        super().__init__()
        self.channels = channels
        self.learning = learning
        self.before = units(channels, p)
        self.trunk = units(channels, t)
        self.mask = SoftMask(channels, depth, r)
        self.after = units(channels, p)

    def forward(self, x: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the module's output; append what happened inside to ``seen`` where it is given."""
        x = self.before(x)
        trunk = self.trunk(x)
        mask = self.mask(x)
        attended = mask * trunk
        fused = trunk + attended if self.learning == "residual" else attended
        if seen is not None:
            seen.append(Attended(before=trunk, mask=mask, after=fused))
        return self.after(fused)  # type: ignore[no-any-return]


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, kernel_size=3, stride=2, padding=0, ceil_mode=True)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
