"""From the features of a mask branch to the mask: mixed, channel and spatial attention.

Source: Wang et al., CVPR 2017, section 3.3, the functions f1, f2 and f3. Each is in place of the sigmoid, not on top of
it.

Every form here survives float16, whose largest number is 65,504 and whose smallest normal one is 6e-5. A norm squares
its values, so values beyond 256 would overflow and those below 0.008 lose their squares' digits. Both norms are
scale-invariant, so the values are divided by their largest magnitude first: squares are then at most 1, and their sum
is at least 1, which guards the second division as well. Only x - mean can exceed the values themselves, up to twice;
``ran-deploy quantize`` leaves a node whose values come within a factor of 4 of float16's limit in float32. A square is
a product, not a power, which some float16 kernels compute by a logarithm, wrongly for negative values.
"""

from collections.abc import Callable

from torch import Tensor

from ran_deploy.arch.ran_options import AttentionType

EPS = 2.0**-14
"""Magnitudes below this count as this: the smallest normal float16."""


def mixed(x: Tensor) -> Tensor:
    """Return the sigmoid of each value: f1. [N, C, H, W] → (0, 1)."""
    return x.sigmoid()


def channel(x: Tensor) -> Tensor:
    """Return x / ‖x‖₂ over the channels at each position: f2. [N, C, H, W] → [-1, 1]; 0 where all channels are 0."""
    scaled = _to_unit_maximum(x, (1,))
    return scaled / (scaled * scaled).sum(dim=1, keepdim=True).clamp(min=1.0).sqrt()


def spatial(x: Tensor) -> Tensor:
    """Return sigmoid((x - mean) / std), both over the positions of each channel: f3. [N, C, H, W] → (0, 1).

    The standard deviation is that of the positions themselves (divided by their number); 0.5 where a channel is
    constant.
    """
    height, width = x.shape[2:]
    scaled = _to_unit_maximum(x - x.mean(dim=(2, 3), keepdim=True), (2, 3))
    variance = (scaled * scaled).mean(dim=(2, 3), keepdim=True)
    return (scaled / variance.clamp(min=1 / (height * width)).sqrt()).sigmoid()


def _to_unit_maximum(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    # Whatever positive number the values are divided by, the result is the same: no gradient goes through it.
    return x / x.detach().abs().amax(dim=dims, keepdim=True).clamp(min=EPS)


ATTENTION_TYPES: dict[AttentionType, Callable[[Tensor], Tensor]] = {
    "mixed": mixed,
    "channel": channel,
    "spatial": spatial,
}
