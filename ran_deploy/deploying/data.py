"""The images of a deployment: which dataset, and a digest by which a change of them is seen."""

from collections.abc import Sequence
from pathlib import Path

from ran_deploy.data.catalog import DATASET_NAMES, DatasetInfo
from ran_deploy.data.dataset import ArrayDataset, Dataset, Split
from ran_deploy.data.image_folder import FolderDataset, open_folder
from ran_deploy.data.open import open_dataset
from ran_deploy.data.preprocess import find_images
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_bytes
from ran_deploy.manifest import Contract

FOLDER = "folder"
"""The dataset of any folder: ``train/<class>/*`` and ``val/<class>/*``, at the size of the model's contract."""
DEPLOY_DATASETS = (*DATASET_NAMES, FOLDER)


def open_split(name: str, root: Path | None, split: Split, contract: Contract) -> Dataset:
    """Open a split of a dataset of the catalogue, or of a folder with one subfolder for each class.

    Raises:
        UsageError: The dataset is unknown or missing, or has no such split.
        IntegrityError: A file of it is damaged.
    """
    if name != FOLDER:
        return open_dataset(name, root, split)
    if root is None or not root.is_dir():
        raise UsageError(f"The data folder {root} does not exist.", fix="Give --data DIR with val/<class>/ in it.")
    rule = contract.preprocessing
    info = DatasetInfo(
        name=FOLDER, classes=len(contract.labels), size=rule.size, resize=rule.resize, mean=rule.mean, std=rule.std
    )
    return open_folder(root, info, split)


def digest_of(dataset: Dataset) -> str:
    """Return a digest that changes when the images or their classes do.

    Of images in memory it is over their pixels; of files over names, sizes and times of change, because reading all
    of ImageNet only to find that nothing has changed would take longer than most stages.
    """
    if isinstance(dataset, ArrayDataset):
        pixels = sha256_bytes(dataset.images.tobytes())
    elif isinstance(dataset, FolderDataset):
        pixels = _digest_of_files(dataset.folder, dataset.files)
    else:
        raise TypeError(f"{type(dataset).__name__} is no dataset that this digests")
    return sha256_bytes(f"{pixels} {sha256_bytes(dataset.targets.tobytes())} {dataset.labels}".encode())


def digest_of_folder(folder: Path) -> str:
    """Return such a digest over all images below a folder.

    Raises:
        UsageError: It does not exist or holds no image.
    """
    found = find_images([folder])
    return _digest_of_files(folder, [path.relative_to(folder).as_posix() for path in found])


def _digest_of_files(folder: Path, names: Sequence[str]) -> str:
    facts = ((name, (folder / name).stat()) for name in names)
    return sha256_bytes("\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in facts).encode())
