"""What is known of each dataset before any image is read: classes, size, normalization, labels."""

import difflib
from dataclasses import dataclass

from ran_deploy.errors import UsageError

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """The constants of a dataset."""

    name: str
    """The name that ``--dataset`` takes."""
    classes: int
    """Number of classes."""
    size: int
    """Height and width of a model's input, in pixels."""
    resize: int | None
    """Shorter side, in pixels, to which images are resized before the centre crop; None: exactly ``size``."""
    mean: tuple[float, float, float]
    """Mean of the RGB channels, on the scale 0 to 1."""
    std: tuple[float, float, float]
    """Standard deviation of the RGB channels, on the scale 0 to 1."""
    labels: tuple[str, ...] = ()
    """Class names in the order of the logits; empty where the data folder names them."""


_CIFAR10_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SYNTHETIC_LABELS = (
    "disc",
    "square",
    "triangle",
    "cross",
    "ring",
    "stripes-h",
    "stripes-v",
    "stripes-d",
    "checks",
    "dots",
)

_DATASETS = {
    info.name: info
    for info in (
        DatasetInfo(
            name="cifar10",
            classes=10,
            size=32,
            resize=None,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            labels=_CIFAR10_LABELS,
        ),
        DatasetInfo(
            name="cifar100",
            classes=100,
            size=32,
            resize=None,
            mean=(0.5071, 0.4865, 0.4409),
            std=(0.2673, 0.2564, 0.2762),
        ),
        DatasetInfo(name="imagenet", classes=1000, size=224, resize=256, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        DatasetInfo(name="tiny-imagenet", classes=200, size=64, resize=None, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        DatasetInfo(
            name="synthetic",
            classes=10,
            size=32,
            resize=None,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            labels=_SYNTHETIC_LABELS,
        ),
    )
}

DATASET_NAMES = tuple(_DATASETS)


def dataset_info(name: str) -> DatasetInfo:
    """Return the constants of the dataset ``name``.

    Raises:
        UsageError: No dataset has that name.
    """
    if name not in _DATASETS:
        near = difflib.get_close_matches(name, _DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known datasets: {', '.join(_DATASETS)}."
        raise UsageError(f"There is no dataset {name!r}.", fix=hint)
    return _DATASETS[name]
