"""The soft masks of a network as outputs of their own: their names, their shapes, and their mean over the channels.

A mask has as many channels as its features: 0.9 MB of them for one 32×32 image in Attention-92. What leaves an
engine is their mean over the channels, 11 kB, which is what a person can look at.
"""

import torch
from torch import Tensor, nn

from ran_deploy.arch.network import Attended, Attention
from ran_deploy.data.contract import MASK_PREFIX
from ran_deploy.manifest import DYNAMIC, TensorSpec


class MeanMasks(nn.Module):
    """The mean over the channels of each module's mask: [N, C, H, W] → float32 [N, H, W].

    Means of a sigmoid's values are 0 to 1; of channel attention's, -1 to 1 and near 0: a vector of length 1 over C
    channels has a mean of at most 1/√C.
    """

    def forward(self, seen: list[Attended]) -> tuple[Tensor, ...]:
        """Return the means, in the order of the modules."""
        return tuple(attended.mask.mean(dim=1) for attended in seen)


def mask_names(network: nn.Module) -> tuple[str, ...]:
    """Return a name for each attention module's mask, such as "mask_stage2_1"; none for a network without attention.

    Stages and the modules in each are counted from 1. A stage's modules are those of one width.
    """
    names: list[str] = []
    stage = place = width = 0
    for module in network.modules():
        if isinstance(module, Attention):
            place, stage = (place + 1, stage) if module.channels == width else (1, stage + 1)
            width = module.channels
            names.append(f"{MASK_PREFIX}{stage}_{place}")
    return tuple(names)


def mask_specs(network: nn.Module, size: int) -> tuple[TensorSpec, ...]:
    """Describe the masks of :class:`MeanMasks` for images of ``size`` × ``size``; none without attention.

    Runs the network once, in evaluation mode, since only the network knows its resolutions.
    """
    names = mask_names(network)
    if not names:
        return ()
    seen: list[Attended] = []
    with torch.inference_mode():
        network(torch.zeros(1, 3, size, size), seen)
    return tuple(
        TensorSpec(name=name, dtype="float32", shape=(DYNAMIC, *attended.mask.shape[2:]), layout="NHW")
        for name, attended in zip(names, seen, strict=True)
    )
