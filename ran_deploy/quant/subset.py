"""Calibration images: a class-balanced, seeded part of a dataset's training split, named by their digests."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ran_deploy.data.catalog import DatasetInfo, dataset_info
from ran_deploy.data.dataset import Dataset, Images, batches, stratified_split
from ran_deploy.data.image_folder import FolderDataset, open_folder
from ran_deploy.data.open import open_dataset
from ran_deploy.data.preprocess import find_images
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_bytes
from ran_deploy.manifest import Contract
from ran_deploy.progress import Progress

CALIBRATION_DATASETS = ("cifar10", "cifar100", "imagenet", "tiny-imagenet", "folder")
DEFAULT_SAMPLES = 512
_HASHED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subset:
    """Images chosen for calibration; their pixels are read batch by batch."""

    dataset: Dataset = field(repr=False)
    indices: npt.NDArray[np.int64]
    """Positions in the dataset, ascending."""
    seed: int
    digests: tuple[str, ...]
    """SHA-256 of each image's uint8 pixels at model size, in the order of ``indices``."""
    digest: str
    """SHA-256 over all of ``digests``."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def batches(self, size: int) -> Iterator[Images]:
        """Yield all images in order, ``size`` at a time: uint8 [n, H, W, 3]."""
        for part in batches(len(self), size):
            yield self.dataset.batch(self.indices[part])


def open_calibration_data(name: str, root: Path | None, contract: Contract) -> Dataset:
    """Open the training split that calibration images are taken from.

    Args:
        name: One of :data:`CALIBRATION_DATASETS`; "folder" is any folder of images, with or without a folder for
            each class, brought to the model's size by the contract's own rule.
        root: Where the images are.
        contract: The model's contract.

    Raises:
        UsageError: No folder is given, there are no images in it, they have another size than the model takes, or
            the images of the dataset are generated.
        IntegrityError: A file of the dataset is damaged.
    """
    if name not in CALIBRATION_DATASETS:
        generated = "; INT8 is never calibrated on generated or random images" if name == "synthetic" else ""
        raise UsageError(
            f"The calibration dataset is {name!r}{generated}.", fix=f"Use one of {', '.join(CALIBRATION_DATASETS)}."
        )
    if root is None:
        raise UsageError(
            "INT8 needs real images to be calibrated on, and no folder of them was given.",
            fix="Give --calib-dataset and --calib-data DIR; any folder of typical images will do "
            "(--calib-dataset folder), or run: ran-deploy data cifar10 --root DIR",
        )
    rule = contract.preprocessing
    if name == "folder":
        return _open_any_folder(
            root,
            DatasetInfo(
                name="folder",
                classes=len(contract.labels),
                size=rule.size,
                resize=rule.resize,
                mean=rule.mean,
                std=rule.std,
            ),
        )
    if dataset_info(name).size != rule.size:
        raise UsageError(
            f"The model takes images of {rule.size} pixels; those of {name} have {dataset_info(name).size}.",
            fix="Use the dataset that the model was trained on, or --calib-dataset folder, which resizes.",
        )
    return open_dataset(name, root, "train")


def choose_subset(dataset: Dataset, samples: int, seed: int) -> Subset:
    """Choose images at random, the same number of each class to within one, and digest their pixels.

    Args:
        dataset: A training split of real images.
        samples: How many images.
        seed: Seed of the choice.

    Raises:
        UsageError: It is not a training split, its images are generated, or it has fewer images than asked for.
        IntegrityError: An image that was chosen is damaged; the message names it.
    """
    if dataset.info.name == "synthetic":
        raise UsageError(
            "INT8 is never calibrated on generated or random images, such as those of synthetic.",
            fix="Give real images with --calib-dataset and --calib-data DIR.",
        )
    if dataset.split != "train":
        raise UsageError(
            f"The {dataset.split} split of {dataset.info.name} was given for calibration; it must stay unseen.",
            fix="Use the training split.",
        )
    if seed < 0:
        raise UsageError(f"The seed is {seed}; expected 0 or more.", fix="Correct --seed.")
    if not 1 <= samples <= len(dataset):
        raise UsageError(
            f"{samples} calibration images were asked for; {dataset.info.name} has {len(dataset)} training images.",
            fix=f"Set --calib-samples to a number from 1 to {len(dataset)}, or give more images.",
        )
    _, indices = stratified_split(dataset.targets, samples, seed)
    return _digested(dataset, indices, seed, "calibration images")


def hold_out(subset: Subset, samples: int) -> Subset:
    """Choose further images of the same training split, balanced by class, none of which is in ``subset``.

    Args:
        subset: The images that ranges are observed on.
        samples: How many others.

    Raises:
        UsageError: The split has not so many images left.
        IntegrityError: An image that was chosen is damaged; the message names it.
    """
    dataset = subset.dataset
    rest = np.setdiff1d(np.arange(len(dataset), dtype=np.int64), subset.indices)
    if not 1 <= samples <= len(rest):
        raise UsageError(
            f"{samples} images beside the {len(subset)} of the calibration were asked for; {dataset.info.name} has "
            f"{len(rest)} more.",
            fix="Lower --images or --calib-samples, or give more images.",
        )
    _, chosen = stratified_split(dataset.targets[rest], samples, subset.seed)
    return _digested(dataset, rest[chosen], subset.seed, "held-out images")


def _digested(dataset: Dataset, indices: npt.NDArray[np.int64], seed: int, what: str) -> Subset:
    digests: list[str] = []
    with Progress(what, len(indices), "images") as progress:
        for part in batches(len(indices), _HASHED_AT_ONCE):
            digests.extend(sha256_bytes(image.tobytes()) for image in dataset.batch(indices[part]))
            progress.advance(len(part))
    digest = sha256_bytes("\n".join(digests).encode())
    return Subset(dataset=dataset, indices=indices, seed=seed, digests=tuple(digests), digest=digest)


def _open_any_folder(root: Path, info: DatasetInfo) -> FolderDataset:
    if not root.is_dir():
        raise UsageError(
            f"The calibration folder {root} {'is a file' if root.exists() else 'does not exist'}.",
            fix="Give a folder of images with --calib-data DIR.",
        )
    if any(path.is_dir() and not path.name.startswith(".") for path in root.iterdir()):
        return open_folder(root, info, "train")
    files = [path.relative_to(root).as_posix() for path in find_images([root])]
    targets = np.zeros(len(files), dtype=np.int64)
    return FolderDataset(replace(info, classes=1), "train", ("images",), root, tuple(files), targets)
