"""The network as it is deployed: the input contract's own layout in front, logits behind, and where asked its masks."""

import torch
from torch import Tensor, nn

from ran_deploy.arch.masks import MeanMasks
from ran_deploy.arch.network import Attended
from ran_deploy.manifest import Contract


class _Contracted(nn.Module):
    """A network behind the contract's input.

    For a uint8 NHWC input: cast, transpose, normalize, in this order, since TensorRT refuses any operation
    on uint8 but a cast. For a float32 NCHW input, which is normalized already: nothing.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, contract: Contract) -> None:
        super().__init__()
        self.network = network
        self.takes_uint8 = contract.input.dtype == "uint8"
        mean = torch.tensor(contract.preprocessing.mean, dtype=torch.float64)
        std = torch.tensor(contract.preprocessing.std, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * std)).float().view(1, 3, 1, 1))
        self.register_buffer("offset", (-mean / std).float().view(1, 3, 1, 1))

    def normalize(self, images: Tensor) -> Tensor:
        """Return what the network takes: float32 [N, 3, H, W]."""
        return images.float().permute(0, 3, 1, 2) * self.scale + self.offset if self.takes_uint8 else images


class Deployable(_Contracted):
    """Wraps a network so that it takes what the contract says.

    Shapes: as the contract's input → float32 [N, classes].
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.network(self.normalize(images))  # type: ignore[no-any-return]


class DeployableWithMasks(_Contracted):
    """The same, with the mean soft mask of each attention module after the logits.

    Shapes: as the contract's input → float32 [N, classes], and for each module float32 [N, H, W].
    """

    def __init__(self, network: nn.Module, contract: Contract) -> None:
        super().__init__(network, contract)
        self.masks = MeanMasks()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits and the masks, in the order of the modules."""
        seen: list[Attended] = []
        logits = self.network(self.normalize(images), seen)
        return (logits, *self.masks(seen))
