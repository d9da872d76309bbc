"""Datasets by name, and the real ones where they are at hand."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.data.open import open_dataset
from ran_deploy.errors import UsageError


def test_synthetic_needs_no_folder() -> None:
    assert len(open_dataset("synthetic", None, "test")) == 1000


def test_each_reader_is_reached(
    tmp_path: Path, make_cifar10: Callable[..., Path], make_tiny: Callable[..., Path]
) -> None:
    make_cifar10(tmp_path / "cifar-10-batches-bin")
    make_tiny(tmp_path / "tiny-imagenet-200")
    assert len(open_dataset("cifar10", tmp_path, "train")) == 20
    assert len(open_dataset("tiny-imagenet", tmp_path, "test")) == 200
    with pytest.raises(UsageError, match="imagenet has 1000"):
        open_dataset("imagenet", tmp_path / "tiny-imagenet-200", "train")


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dataset 'cifar1'"):
        open_dataset("cifar1", tmp_path, "train")
    with pytest.raises(UsageError, match="needs the folder") as caught:
        open_dataset("cifar10", None, "train")
    assert "ran-deploy data cifar10 --root DIR" in caught.value.fix
    with pytest.raises(UsageError, match="does not exist") as caught:
        open_dataset("cifar10", tmp_path / "gone", "train")
    assert f"ran-deploy data cifar10 --root {tmp_path}" in caught.value.fix
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        open_dataset("imagenet", tmp_path / "file", "train")


@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="RAN_DEPLOY_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "folder", "split", "side", "label"),
    [
        ("cifar10", "", "test", 32, None),
        ("tiny-imagenet", "", "train", 64, "goldfish"),
        ("tiny-imagenet", "", "test", 64, None),
        ("imagenet", "imagenet-sample", "train", 224, "n01440764"),
    ],
)
def test_real_data(name: str, folder: str, split: str, side: int, label: str | None) -> None:
    root = Path(os.environ["RAN_DEPLOY_DATA"]) / folder
    data = open_dataset(name, root, split)  # type: ignore[arg-type]
    images = data.batch(np.arange(0, len(data), len(data) // 16))
    assert images.shape[1:] == (side, side, 3)
    assert images.std() > 20
    assert label is None or data.labels[data.targets[0]] == label
