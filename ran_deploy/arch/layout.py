"""The ImageNet and the CIFAR layout of a Residual Attention Network, of whatever unit it is built.

Source: Wang et al., "Residual Attention Network for Image Classification", CVPR 2017: table 2 (ImageNet) and
section 4.1 (CIFAR).
"""

from torch import Tensor, nn

from ran_deploy.arch.attention import AttentionModule
from ran_deploy.arch.blocks import bn_relu, conv
from ran_deploy.arch.network import Attended, Network, initialize, run
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.style import Style


class ResidualAttentionNetwork(Network):
    """A Residual Attention Network.

    Takes float32 NCHW images, already normalized, and returns logits [N, classes]. Height and width must be
    multiples of ``size_multiple``.
    """

    def __init__(
        self, stem: nn.Module, stages: nn.Sequential, final: nn.Module, classifier: nn.Linear, size_multiple: int
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.final = final
        self.classifier = classifier
        self.size_multiple = size_multiple
        initialize(self)

    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits; see :meth:`Network.forward`."""
        self.check_size(images)
        x = run(self.stages, self.stem(images), seen)
        return self.classifier(self.final(x).mean(dim=(2, 3)))  # type: ignore[no-any-return]


def imagenet_layout(
    modules: tuple[int, int, int], classes: int, options: RanOptions, style: Style
) -> ResidualAttentionNetwork:
    """Build the ImageNet layout (paper, table 2).

    Args:
        modules: Attention modules in the stages at 56×56, 28×28 and 14×14 (for a 224×224 input).
        classes: Number of classes.
        options: Depths, width and variants.
        style: The unit, and what stands around it.
    """
    c = options.channels
    stem = nn.Sequential(
        conv(3, c(64), kernel=7, stride=2),
        bn_relu(c(64)),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=0, ceil_mode=True),
    )
    stages: list[nn.Module] = []
    channels = c(64)
    for stage, (width, stride) in enumerate(((c(256), 1), (c(512), 2), (c(1024), 2))):
        stages += [style.unit(channels, width, stride), *_modules(modules[stage], width, stage, options, style)]
        channels = width
    stages += [style.unit(channels, c(2048), 2), *style.units(c(2048), 2)]
    multiple = max(32, *(4 << stage << options.mask_depth(stage) for stage in range(3)))
    return ResidualAttentionNetwork(
        stem, nn.Sequential(*stages), style.final(c(2048)), nn.Linear(c(2048), classes), multiple
    )


def cifar_layout(modules: int, classes: int, options: RanOptions, style: Style) -> ResidualAttentionNetwork:
    """Build the CIFAR layout (paper, section 4.1): trunk depth 36·modules + 20 with p = 1 and t = 2.

    Args:
        modules: Attention modules in each of the three stages: 1 for Attention-56, 2 for Attention-92.
        classes: Number of classes.
        options: Depths, width and variants.
        style: The unit, and what stands around it.
    """
    c = options.channels
    stem = conv(3, c(16), kernel=3)
    stages: list[nn.Module] = []
    channels = c(16)
    for stage, (width, stride) in enumerate(((c(64), 1), (c(128), 2), (c(256), 2))):
        stages += [style.unit(channels, width, stride), *_modules(modules, width, stage, options, style)]
        stages += style.units(width, 1)
        channels = width
    multiple = max(1 << stage << options.mask_depth(stage) for stage in range(3))
    return ResidualAttentionNetwork(
        stem, nn.Sequential(*stages), style.final(channels), nn.Linear(channels, classes), multiple
    )


def _modules(count: int, channels: int, stage: int, options: RanOptions, style: Style) -> list[nn.Module]:
    return [AttentionModule(channels, options.mask_depth(stage), options, style) for _ in range(count)]
