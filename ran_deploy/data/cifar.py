"""CIFAR-10 and CIFAR-100 in their official binary and Python (pickle) layouts.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), and the data set's page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.cifar_pickle import load_cifar_pickle
from ran_deploy.data.dataset import ArrayDataset, Images, Split, Targets
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where one of the official archives keeps its parts."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    label_bytes: int
    """Binary layouts: bytes before the pixels, the last of which is the fine label; 0: a pickle layout."""
    label_key: str = ""
    names_key: str = ""


_LAYOUTS = {
    "cifar10": (
        _Layout(
            folder="cifar-10-batches-bin",
            train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            test=("test_batch.bin",),
            names="batches.meta.txt",
            label_bytes=1,
        ),
        _Layout(
            folder="cifar-10-batches-py",
            train=tuple(f"data_batch_{i}" for i in range(1, 6)),
            test=("test_batch",),
            names="batches.meta",
            label_bytes=0,
            label_key="labels",
            names_key="label_names",
        ),
    ),
    "cifar100": (
        _Layout(
            folder="cifar-100-binary",
            train=("train.bin",),
            test=("test.bin",),
            names="fine_label_names.txt",
            label_bytes=2,
        ),
        _Layout(
            folder="cifar-100-python",
            train=("train",),
            test=("test",),
            names="meta",
            label_bytes=0,
            label_key="fine_labels",
            names_key="fine_label_names",
        ),
    ),
}


def load_cifar(name: str, root: Path, split: Split) -> ArrayDataset:
    """Load a split of CIFAR-10 or CIFAR-100 into memory.

    Args:
        name: "cifar10" or "cifar100".
        root: The folder that holds the official folder (``cifar-10-batches-bin``, …), or that folder itself.
        split: "train" or "test".

    Raises:
        UsageError: No official layout is found under ``root``.
        IntegrityError: A file is truncated, or holds what such a file never holds.
    """
    folder, layout = _find(name, root)
    info = dataset_info(name)
    read = _read_binary if layout.label_bytes else _read_pickle
    parts = [read(folder / part, layout, info.classes) for part in (layout.train if split == "train" else layout.test)]
    images = np.concatenate([part[0] for part in parts])
    targets = np.concatenate([part[1] for part in parts])
    return ArrayDataset(info, split, _label_names(folder, layout, info.classes), images, targets)


def find_cifar(name: str, root: Path) -> Path | None:
    """Return the folder under ``root`` that holds all batches of ``name``, or None."""
    found = _locate(name, root)
    return found[0] if found else None


def _locate(name: str, root: Path) -> tuple[Path, _Layout] | None:
    for layout in _LAYOUTS[name]:
        for folder in (root / layout.folder, root):
            if all((folder / part).is_file() for part in (*layout.train, *layout.test)):
                return folder, layout
    return None


def _find(name: str, root: Path) -> tuple[Path, _Layout]:
    found = _locate(name, root)
    if found:
        return found
    folders = " or ".join(layout.folder for layout in _LAYOUTS[name])
    raise UsageError(
        f"{root} holds no {name} data: expected a folder {folders} with all its batches.",
        fix=f"Name the folder that does, or fetch it there: ran-deploy data {name} --root {root}",
    )


def _to_images(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Images:
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _check_labels(path: Path, labels: Sequence[int], classes: int) -> None:
    bad = [label for label in labels if not 0 <= label < classes]
    if bad:
        raise IntegrityError(
            f"{path} has the label {bad[0]}; expected 0 to {classes - 1}.", fix="Download and unpack the archive again."
        )


def _read_binary(path: Path, layout: _Layout, classes: int) -> tuple[Images, Targets]:
    raw = np.frombuffer(require_file(path).read_bytes(), np.uint8)
    record = layout.label_bytes + _PIXELS
    if raw.size % record:
        raise IntegrityError(
            f"{path} has {raw.size} bytes, which is not a multiple of {record}: it is truncated.",
            fix="Download and unpack the archive again.",
        )
    rows = raw.reshape(-1, record)
    targets = rows[:, layout.label_bytes - 1].astype(np.int64)
    _check_labels(path, targets.tolist(), classes)
    return _to_images(rows[:, layout.label_bytes :]), targets


def _read_pickle(path: Path, layout: _Layout, classes: int) -> tuple[Images, Targets]:
    batch = load_cifar_pickle(path)
    pixels, labels = batch.get("data"), batch.get(layout.label_key)
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.shape[1:] != (_PIXELS,)
        or not isinstance(labels, list)
        or len(labels) != len(pixels)
        or not labels
    ):
        raise IntegrityError(
            f"{path} does not hold uint8 pixels [N, {_PIXELS}] and as many {layout.label_key}.",
            fix="Download and unpack the archive again.",
        )
    if not all(isinstance(label, int) for label in labels):
        raise IntegrityError(f"{path} has labels that are not whole numbers.", fix="Download the archive again.")
    _check_labels(path, labels, classes)
    return _to_images(pixels), np.asarray(labels, np.int64)


def _label_names(folder: Path, layout: _Layout, classes: int) -> tuple[str, ...]:
    path = folder / layout.names
    if not path.is_file():
        return dataset_info("cifar10").labels if classes == 10 else tuple(str(i) for i in range(classes))
    if layout.label_bytes:
        names: Any = path.read_text(encoding="utf-8", errors="replace").split()
    else:
        names = load_cifar_pickle(path).get(layout.names_key)
    if not isinstance(names, list) or len(names) != classes or not all(isinstance(n, str | bytes) for n in names):
        raise IntegrityError(f"{path} does not name {classes} classes.", fix="Download the archive again.")
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else name for name in names)
