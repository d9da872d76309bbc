"""Any dataset of the catalogue by its name."""

from pathlib import Path

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.cifar import load_cifar
from ran_deploy.data.dataset import Dataset, Split
from ran_deploy.data.image_folder import open_imagenet, open_tiny_imagenet
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import UsageError


def open_dataset(name: str, root: Path | None, split: Split) -> Dataset:
    """Open a split of a dataset.

    CIFAR and ``synthetic`` are held in memory; image folders are read batch by batch.

    Args:
        name: A name of :data:`ran_deploy.data.catalog.DATASET_NAMES`.
        root: The folder that holds the data, or its parent; ``synthetic`` needs none and ignores it.
        split: "train" or "test"; the test split of ImageNet and Tiny ImageNet is their labelled validation set.

    Raises:
        UsageError: The name is unknown, the folder is missing, or it has no such split.
        IntegrityError: A file of the dataset is truncated or corrupt.
    """
    info = dataset_info(name)
    if name == "synthetic":
        return make_synthetic(split)
    if root is None:
        raise UsageError(
            f"The dataset {name} needs the folder that holds it.",
            fix=f"Give it with --data DIR; to fetch it first: ran-deploy data {name} --root DIR",
        )
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; expected the folder that holds {name}, or its parent.", fix="Name that.")
    if not root.exists():
        raise UsageError(
            f"The data folder {root} does not exist; expected {name} data.",
            fix=f"Check the path, or fetch it there: ran-deploy data {name} --root {root}",
        )
    if name in ("cifar10", "cifar100"):
        return load_cifar(name, root, split)
    if name == "tiny-imagenet":
        return open_tiny_imagenet(root, info, split)
    return open_imagenet(root, info, split)
