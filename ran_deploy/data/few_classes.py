"""A part of a dataset: all images of some of its classes."""

from dataclasses import replace

import numpy as np

from ran_deploy.data.dataset import ArrayDataset, Dataset
from ran_deploy.data.image_folder import FolderDataset
from ran_deploy.errors import UsageError

_SEED = 0
"""Of the choice of classes: the same for both splits and for every run."""


def few_classes(dataset: Dataset, classes: int | None) -> Dataset:
    """Return the images of ``classes`` of a dataset's classes, drawn with a fixed seed; None: the dataset itself.

    Classes keep their order and are counted anew, from 0; both splits of a dataset lose the same ones.

    Raises:
        UsageError: There are not so many, or fewer than two are wanted.
    """
    count = len(dataset.labels)
    if classes is None or classes == count:
        return dataset
    if not 2 <= classes <= count:
        raise UsageError(
            f"{classes} classes were asked for; {dataset.info.name} has {count}, and at least 2 are needed."
        )
    kept = np.sort(np.random.default_rng(_SEED).permutation(count)[:classes])
    labels = tuple(dataset.labels[index] for index in kept)
    info = replace(dataset.info, classes=classes, labels=labels)
    places = np.flatnonzero(np.isin(dataset.targets, kept))
    targets = np.searchsorted(kept, dataset.targets[places]).astype(np.int64)
    if isinstance(dataset, FolderDataset):
        files = tuple(dataset.files[place] for place in places)
        return replace(dataset, info=info, labels=labels, files=files, targets=targets)
    return ArrayDataset(info, dataset.split, labels, dataset.batch(places), targets)
