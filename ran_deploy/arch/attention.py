"""The attention module: a trunk, a soft mask, and how the two are fused.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017, sections 3.1 to 3.3;
wiring as in the published Attention-56/92 deploy files.
"""

from torch import Tensor

from ran_deploy.arch.network import Attended, Attention
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.soft_mask import LocalMask, SoftMask
from ran_deploy.arch.style import Style


class AttentionModule(Attention):
    """p units, then trunk T (t units) and mask M from the same tensor, fused, then p units.

    They are fused to H = (1 + M)·T, the paper's equation 3, or where ``learning`` is "naive" to H = M·T, equation 1.
    The residual form is evaluated as T + M·T, which ONNX Runtime keeps in its blocked memory layout. The mask halves
    the resolution ``depth`` times; a local one does not.

    Shapes: [N, C, H, W] → [N, C, H, W].
    """

    def __init__(self, channels: int, depth: int, options: RanOptions, style: Style) -> None:
        super().__init__()
        self.channels = channels
        self.learning = options.learning
        self.before = style.units(channels, options.p)
        self.trunk = style.units(channels, options.t)
        local = options.mask == "local"
        self.mask = LocalMask(channels, options, style) if local else SoftMask(channels, depth, options, style)
        self.after = style.units(channels, options.p)

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
