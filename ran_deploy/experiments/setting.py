"""What all runs of an experiment share: the images, the plan and the folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import Dataset, Split, stratified_split
from ran_deploy.data.few_classes import few_classes
from ran_deploy.data.open import open_dataset
from ran_deploy.experiments.definitions import Experiment
from ran_deploy.experiments.plan import Plan
from ran_deploy.files import sha256_bytes

_TEST_SEED = 0
"""Seed of the choice of test images: the same for every network and every experiment."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Both splits of an experiment's dataset."""

    root: Path | None
    """The folder; None for generated images."""
    train: Dataset
    test: Dataset
    classes: int | None = None
    """So many of the dataset's classes were taken; None: all."""

    @property
    def sha256(self) -> str:
        """Digest of both splits' targets."""
        return sha256_bytes(self.train.targets.tobytes() + self.test.targets.tobytes())


def open_data(experiment: Experiment, root: Path | None, classes: int | None = None) -> Data:
    """Open both splits of an experiment's dataset, or the images of some of its classes.

    Raises:
        UsageError: The folder is missing, lacks a split, or there are not so many classes.
        IntegrityError: A file of the dataset is damaged.
    """
    splits: tuple[Split, ...] = ("train", "test")
    train, test = (few_classes(open_dataset(experiment.dataset, root, split), classes) for split in splits)
    return Data(root=root, train=train, test=test, classes=classes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """An experiment with its plan, its images and its folder."""

    experiment: Experiment
    plan: Plan
    data: Data
    out: Path

    def test_indices(self) -> npt.NDArray[np.int64]:
        """Return the test images as positions in the split, the same number of each class."""
        _, chosen = stratified_split(self.data.test.targets, self.plan.work.test_images, _TEST_SEED)
        return chosen
