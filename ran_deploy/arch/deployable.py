"""The network as it is deployed: the input contract's own layout in front, logits behind."""

import torch
from torch import Tensor, nn

from ran_deploy.manifest import Contract


class Deployable(nn.Module):
    """Wraps a network so that it takes what the contract says.

    For a uint8 NHWC input: cast, transpose, normalize, in this order, since TensorRT refuses any operation
    on uint8 but a cast. For a float32 NCHW input, which is normalized already: nothing.

    Shapes: as the contract's input → float32 [N, classes].
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

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        if self.takes_uint8:
            images = images.float().permute(0, 3, 1, 2) * self.scale + self.offset
        return self.network(images)  # type: ignore[no-any-return]
