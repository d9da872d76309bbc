"""What a data set is to the rest of the project: labelled uint8 images, read by index."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ran_deploy.data.catalog import DatasetInfo

Images: TypeAlias = npt.NDArray[np.uint8]
"""uint8 RGB images, [N, H, W, 3]."""
Targets: TypeAlias = npt.NDArray[np.int64]
"""Class indices, [N]."""
Split = Literal["train", "test"]


class Dataset(Protocol):
    """Labelled images at model size."""

    @property
    def info(self) -> DatasetInfo:
        """The dataset's constants."""

    @property
    def split(self) -> Split:
        """The part of the dataset that this is."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the class indices."""

    @property
    def targets(self) -> Targets:
        """The class index of every image."""

    def __len__(self) -> int:
        """Number of images."""

    def batch(self, indices: npt.NDArray[np.int64]) -> Images:
        """Return the images at ``indices``, uint8 [n, H, W, 3] at model size."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayDataset:
    """A data set that is held in memory."""

    info: DatasetInfo
    split: Split
    labels: tuple[str, ...]
    images: Images
    targets: Targets

    def __len__(self) -> int:
        """Number of images."""
        return len(self.targets)

    def batch(self, indices: npt.NDArray[np.int64]) -> Images:
        """Return the images at ``indices``, uint8 [n, H, W, 3]."""
        return self.images[indices]


def batches(count: int, size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the indices 0 to ``count`` - 1 in order, ``size`` at a time; the last batch may be smaller."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count), dtype=np.int64)


def stratified_split(targets: Targets, held_out: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split indices into a rest and a held-out part with the same class proportions.

    Args:
        targets: The class index of every image.
        held_out: How many images to hold out; the same number of each class, to within one.
        seed: Seed of the choice.

    Returns:
        The indices of the rest and of the held-out part, both sorted.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    rank = np.empty(len(targets), dtype=np.int64)
    for label in np.unique(targets):
        members = order[targets[order] == label]
        rank[members] = np.arange(len(members))
    # Taking the lowest ranks over all classes takes each class in turn; ties are broken by the random order.
    chosen = order[np.argsort(rank[order], kind="stable")][:held_out]
    mask = np.zeros(len(targets), dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
