"""Data sets that are folders of image files: ImageNet, Tiny ImageNet and any other with a folder for each class.

Only the file names are held in memory; images are decoded when a batch is asked for.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ran_deploy.data.catalog import DatasetInfo
from ran_deploy.data.crops import Crops, load_crop
from ran_deploy.data.dataset import Images, Split, Targets
from ran_deploy.data.preprocess import SUFFIXES, load_image
from ran_deploy.data.words import read_words
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import Preprocessing

DECODERS = min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Threads that decode at a time."""
_SPLIT_FOLDERS: dict[Split, str] = {"train": "train", "test": "val"}


@dataclass(frozen=True, slots=True, eq=False)
class FolderDataset:
    """Labelled image files, decoded batch by batch: memory does not grow with their pixels."""

    info: DatasetInfo
    split: Split
    labels: tuple[str, ...]
    folder: Path
    files: tuple[str, ...]
    """Image files, relative to ``folder``, in the order of the indices."""
    targets: Targets
    rule: Preprocessing = field(init=False)

    def __post_init__(self) -> None:
        """Derive the preprocessing from the dataset's constants."""
        info = self.info
        rule = Preprocessing(resize=info.resize, size=info.size, mean=info.mean, std=info.std)
        object.__setattr__(self, "rule", rule)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def batch(self, indices: npt.NDArray[np.int64]) -> Images:
        """Return the images at ``indices``, uint8 [n, size, size, 3].

        Raises:
            IntegrityError: A file is corrupt or gone; the message names it.
        """
        images: Images = np.empty((len(indices), self.info.size, self.info.size, 3), dtype=np.uint8)
        # Pillow decodes and resizes without the interpreter lock, so threads are enough.
        with ThreadPoolExecutor(DECODERS) as pool:
            for place, image in enumerate(pool.map(self.load, indices)):
                images[place] = image
        return images

    def load(self, index: int) -> Images:
        """Return one image, uint8 [size, size, 3]. Raises as :meth:`batch`."""
        return load_image(self.folder / self.files[index], self.rule)

    def load_crop(self, index: int, crop: Crops) -> Images:
        """Return a rectangle of one image, taken at its own size: uint8 [size, size, 3]. Raises as :meth:`batch`."""
        return load_crop(self.folder / self.files[index], crop, self.info.size)


def open_folder(root: Path, info: DatasetInfo, split: Split) -> FolderDataset:
    """Open a folder with one subfolder of images for each class, however many classes there are.

    Layouts: ``ROOT/train/<class>/*`` and ``ROOT/val/<class>/*``, or ``ROOT/<class>/*``, which has a train split only.

    Args:
        root: The folder.
        info: Gives size, resize rule and normalization; its classes and labels are replaced by the folder's.
        split: "train", or "test" for the images under ``val``.

    Raises:
        UsageError: There is no such folder or split, a class has no images, or the splits' classes differ.
    """
    folder = _split_folder(root, split)
    names = _class_names(folder)
    other = root / _SPLIT_FOLDERS["train"]
    if split == "test" and other.is_dir():
        _same_classes(names, _class_names(other), folder, other)
    labels = read_words(root, names)
    files, targets = _index(folder, names)
    return FolderDataset(replace(info, classes=len(names), labels=labels), split, labels, folder, files, targets)


def open_imagenet(root: Path, info: DatasetInfo, split: Split) -> FolderDataset:
    """Open ImageNet, laid out as :func:`open_folder` says, with folders named by synset.

    The class index is the rank of the synset's name, as in all published ImageNet networks.

    Args:
        root: The folder itself, or its parent if it is named ``imagenet``.
        info: ImageNet's constants.
        split: "train", or "test" for the validation images.

    Raises:
        UsageError: As :func:`open_folder`, or the number of classes is not ImageNet's.
    """
    return _counted(open_folder(_home(root, "imagenet"), info, split), info)


def open_tiny_imagenet(root: Path, info: DatasetInfo, split: Split) -> FolderDataset:
    """Open Tiny ImageNet in its publisher's layout, or rearranged as :func:`open_folder` says.

    Publisher's layout: ``train/<wnid>/images/*.JPEG``, ``val/images/*.JPEG`` with ``val/val_annotations.txt``,
    ``wnids.txt``, and ``words.txt`` with the names. The class index is the rank of the wnid's name.

    Args:
        root: The folder itself, or its parent.
        info: Tiny ImageNet's constants.
        split: "train", or "test" for the validation images (the publisher's test images have no labels).

    Raises:
        UsageError: As :func:`open_folder`, or the number of classes is not Tiny ImageNet's.
        IntegrityError: The annotations are malformed, or name an unknown class or a file that is not there.
    """
    home = _home(root, "tiny-imagenet-200")
    annotations = home / "val" / "val_annotations.txt"
    if split == "train" or not annotations.is_file():
        return _counted(open_folder(home, info, split), info)
    train = home / "train"
    names = sorted(require_file(home / "wnids.txt").read_text().split()) if not train.is_dir() else _class_names(train)
    labels = read_words(home, names)
    files, targets = _annotated(annotations, names)
    dataset = FolderDataset(
        replace(info, classes=len(names), labels=labels), split, labels, annotations.parent / "images", files, targets
    )
    return _counted(dataset, info)


def _home(root: Path, name: str) -> Path:
    return root / name if (root / name).is_dir() else root


def _split_folder(root: Path, split: Split) -> Path:
    if not root.is_dir():
        raise UsageError(f"The image folder {root} does not exist.", fix="Check the path.")
    folder = root / _SPLIT_FOLDERS[split]
    if folder.is_dir():
        return folder
    if split == "test":
        raise UsageError(
            f"{root} has no test split: expected labelled images in {folder}{os.sep}<class>.",
            fix=f"Put the validation images there, one folder for each class; {root} itself counts as training images.",
        )
    if (root / _SPLIT_FOLDERS["test"]).is_dir():
        raise UsageError(f"{root} has a val folder but no train folder.", fix=f"Put the training images in {folder}.")
    return root


def _class_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UsageError(f"{folder} has no class folders.", fix="Put the images of each class in a folder of its own.")
    return names


def _same_classes(names: list[str], others: list[str], folder: Path, other: Path) -> None:
    odd = sorted(set(names) ^ set(others))
    if odd:
        raise UsageError(
            f"{folder} and {other} do not have the same classes: {odd[0]!r} is in one only.",
            fix="Give both the same class folders, or the class indices of the two would differ.",
        )


def _images_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        )


def _index(folder: Path, names: list[str]) -> tuple[tuple[str, ...], Targets]:
    files: list[str] = []
    counts = []
    for name in names:
        # Tiny ImageNet keeps the images of a class one folder deeper.
        inner = f"{name}/images" if (folder / name / "images").is_dir() else name
        found = _images_in(folder / inner)
        if not found:
            raise UsageError(
                f"The class folder {folder / inner} has no images.",
                fix=f"Add images ({', '.join(SUFFIXES)}) or remove the folder.",
            )
        files.extend(f"{inner}/{file}" for file in found)
        counts.append(len(found))
    return tuple(files), np.repeat(np.arange(len(names), dtype=np.int64), counts)


def _annotated(annotations: Path, names: list[str]) -> tuple[tuple[str, ...], Targets]:
    index = {name: place for place, name in enumerate(names)}
    present = set(_images_in(annotations.parent / "images")) if (annotations.parent / "images").is_dir() else set()
    files, targets = [], []
    text = require_file(annotations).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split("\t")
        if len(parts) < 2 or parts[1] not in index or parts[0] not in present:
            raise IntegrityError(
                f"{annotations}, line {number}: expected an image of the folder and a known class, got {line!r:.80}.",
                fix="Download and unpack the archive again.",
            )
        files.append(parts[0])
        targets.append(index[parts[1]])
    return tuple(files), np.asarray(targets, dtype=np.int64)


def _counted(dataset: FolderDataset, info: DatasetInfo) -> FolderDataset:
    if dataset.info.classes != info.classes:
        raise UsageError(
            f"{dataset.folder} has {dataset.info.classes} classes; {info.name} has {info.classes}.",
            fix="Check that the folder is complete and is the right one.",
        )
    return dataset
