"""Residual networks without attention: ResNet-152, which the Columbia report compares, and the paper's ResNet-164.

Sources: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1, with the stride in the 3×3
convolution; He et al., "Identity Mappings in Deep Residual Networks" (ECCV 2016), the pre-activation network for
CIFAR, with which Wang et al. compare under noisy labels. The Columbia report gives 32×32 images to ResNet-152 with
the stem for ImageNet, so that its last stage is 1×1.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ran_deploy.arch.blocks import PostActUnit, PreActUnit, bn_relu, conv
from ran_deploy.arch.entry import ArchEntry, Layout
from ran_deploy.arch.network import Attended, Network, initialize, run
from ran_deploy.arch.width import WidthOptions


class ResNet(Network):
    """Stem, residual units, average pool and classifier; takes images of any size."""

    def __init__(self, stem: nn.Module, stages: nn.Sequential, final: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.final = final
        self.classifier = nn.Linear(channels, classes)
        initialize(self)

    def forward(self, images: Tensor, seen: list[Attended] | None = None) -> Tensor:
        """Return the logits; nothing is appended to ``seen``."""
        self.check_size(images)
        x = self.final(run(self.stages, self.stem(images), seen))
        return self.classifier(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def resnet152(classes: int, options: WidthOptions) -> ResNet:
    """Build ResNet-152: 3, 8, 36 and 3 units of 256, 512, 1024 and 2048 channels behind a stem that quarters the size.

    Args:
        classes: Number of classes.
        options: The width.
    """
    c = options.channels
    stem = nn.Sequential(
        conv(3, c(64), kernel=7, stride=2),
        bn_relu(c(64)),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    plan = [(c(256), 3, 1), (c(512), 8, 2), (c(1024), 36, 2), (c(2048), 3, 2)]
    return ResNet(stem, _stages(PostActUnit, c(64), plan), nn.Identity(), c(2048), classes)


def resnet164(classes: int, options: WidthOptions) -> ResNet:
    """Build the pre-activation ResNet-164 for CIFAR: three times 18 units of 64, 128 and 256 channels.

    Args:
        classes: Number of classes.
        options: The width.
    """
    c = options.channels
    plan = [(c(64), 18, 1), (c(128), 18, 2), (c(256), 18, 2)]
    return ResNet(
        conv(3, c(16), kernel=3), _stages(PreActUnit, c(16), plan), bn_relu(c(256)), channels=c(256), classes=classes
    )


def _stages(
    unit: type[PreActUnit] | type[PostActUnit], channels: int, plan: list[tuple[int, int, int]]
) -> nn.Sequential:
    """Units by (channels, count, stride of the first)."""
    layers: list[nn.Module] = []
    for width, count, stride in plan:
        for position in range(count):
            layers.append(unit(channels, width, stride if position == 0 else 1))
            channels = width
    return nn.Sequential(*layers)


def _entry(name: str, home: str, build: Callable[[int, WidthOptions], ResNet]) -> ArchEntry:
    title = f"{name.replace('resnet', 'ResNet-')} (He et al., 2016)"
    layout: Layout = "imagenet" if home == "imagenet" else "cifar"
    return ArchEntry(name=name, title=title, layout=layout, home=home, options=WidthOptions, build=build)


ENTRIES = (
    _entry("resnet152", "cifar10", resnet152),
    _entry("resnet152", "imagenet", resnet152),
    _entry("resnet164", "cifar10", resnet164),
)
"""ResNet-152: 58,164,298 parameters with 10 classes, 60,192,808 with 1,000; ResNet-164: 1,703,258 with 10."""
