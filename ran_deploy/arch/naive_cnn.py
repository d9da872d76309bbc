"""The Columbia report's baseline without residual connections: a small VGG-like network.

Source: Nair, Jain and Raj, "Residual Attention Network for Image Classification" (Columbia University), section
III.B, which compares a "Naive Convolutional Neural Network" and gives no layers. This is the CIFAR-10 example of
Keras, the report's tool: conv 32-32, pool, conv 64-64, pool, dense 512, of which the second convolution of each pair
is not padded; 1,250,858 parameters with 10 classes. Dropout is an option, 0 by default, since the report names none.
"""

from torch import Tensor, nn

from ran_deploy.arch.dropout import DropoutOptions
from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.network import Attended, Network, initialize, run

_SIDE = 32


class NaiveCnn(Network):
    """Two pairs of 3×3 convolutions with ReLU, each followed by a 2×2 max pool, and two dense layers.

    The first dense layer has weights for each of 6×6 positions, so images must be 32×32.
    """

    only = _SIDE

    def __init__(self, classes: int, options: DropoutOptions) -> None:
        super().__init__()
        narrow, wide, hidden = (options.channels(base) for base in (32, 64, 512))
        self.stages = nn.Sequential(*_pair(3, narrow), *_pair(narrow, wide))
        side = ((_SIDE - 2) // 2 - 2) // 2
        dense = nn.Linear(wide * side * side, hidden)
        self.hidden = nn.Sequential(nn.Flatten(), dense, nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(hidden, classes)
        initialize(self, "fan_in")
        nn.init.kaiming_normal_(dense.weight, nonlinearity="relu")

    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits; nothing is appended to ``seen``."""
        self.check_size(images)
        return self.classifier(self.dropout(self.hidden(run(self.stages, images, seen))))  # type: ignore[no-any-return]


def _pair(channels_in: int, channels: int) -> tuple[nn.Module, ...]:
    """[N, channels_in, H, W] → [N, channels, (H - 2) / 2, (W - 2) / 2]."""
    return (
        nn.Conv2d(channels_in, channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=2),
    )


ENTRIES = (
    ArchEntry(
        name="naive-cnn",
        title="Naive CNN (Columbia report)",
        layout="cifar",
        home="cifar10",
        options=DropoutOptions,
        build=NaiveCnn,
    ),
)
"""1,250,858 parameters with 10 classes."""
