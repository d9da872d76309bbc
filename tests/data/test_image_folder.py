"""Folders of images in all their layouts, and what is wrong with them in practice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.image_folder import open_folder, open_imagenet, open_tiny_imagenet
from ran_deploy.errors import IntegrityError, UsageError

INFO = replace(dataset_info("tiny-imagenet"), name="folder", size=16)


def _fill(folder: Path, *colours: int) -> None:
    folder.mkdir(parents=True)
    for place, colour in enumerate(colours):
        Image.new("RGB", (20, 30), (colour,) * 3).save(folder / f"{place}.PNG")


def test_flat_folders_are_the_train_split(tmp_path: Path) -> None:
    _fill(tmp_path / "b", 10, 20)
    _fill(tmp_path / "a", 30)
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "b" / "._0.png").write_bytes(b"debris of another system")
    (tmp_path / ".cache").mkdir()
    data = open_folder(tmp_path, INFO, "train")
    assert (data.labels, data.info.labels, data.info.classes) == (("a", "b"), ("a", "b"), 2)
    assert data.targets.tolist() == [0, 1, 1]
    assert data.batch(np.array([2, 0]))[:, 0, 0, 0].tolist() == [20, 30]
    assert data.batch(np.array([0])).shape == (1, 16, 16, 3)
    assert data.batch(np.array([], np.int64)).shape == (0, 16, 16, 3)


def test_flat_folders_have_no_test_split(tmp_path: Path) -> None:
    _fill(tmp_path / "a", 1)
    with pytest.raises(UsageError, match="no test split") as caught:
        open_folder(tmp_path, INFO, "test")
    assert "one folder for each class" in caught.value.fix


def test_train_and_val_folders(tmp_path: Path) -> None:
    for split, colour in (("train", 1), ("val", 2)):
        _fill(tmp_path / split / "x", colour)
        _fill(tmp_path / split / "y", colour + 10)
    assert open_folder(tmp_path, INFO, "train").batch(np.arange(2))[:, 0, 0, 0].tolist() == [1, 11]
    assert open_folder(tmp_path, INFO, "test").batch(np.arange(2))[:, 0, 0, 0].tolist() == [2, 12]


def test_splits_of_different_classes_are_refused(tmp_path: Path) -> None:
    _fill(tmp_path / "train" / "x", 1)
    _fill(tmp_path / "train" / "y", 1)
    _fill(tmp_path / "val" / "y", 1)
    with pytest.raises(UsageError, match="same classes: 'x'"):
        open_folder(tmp_path, INFO, "test")


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        open_folder(tmp_path / "nowhere", INFO, "train")
    with pytest.raises(UsageError, match="no class folders"):
        open_folder(tmp_path, INFO, "train")
    _fill(tmp_path / "a", 1)
    _fill(tmp_path / "b")
    with pytest.raises(UsageError, match=r"b has no images"):
        open_folder(tmp_path, INFO, "train")
    _fill(tmp_path / "only" / "val" / "x", 1)
    with pytest.raises(UsageError, match="val folder but no train"):
        open_folder(tmp_path / "only", INFO, "train")


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    _fill(tmp_path / "a", 1, 2, 3)
    good = (tmp_path / "a" / "1.PNG").read_bytes()
    (tmp_path / "a" / "1.PNG").write_bytes(good[: len(good) // 2])
    data = open_folder(tmp_path, INFO, "train")
    with pytest.raises(IntegrityError, match=r"1\.PNG"):
        data.batch(np.arange(3))


def test_imagenet_counts_its_classes(tmp_path: Path) -> None:
    _fill(tmp_path / "imagenet" / "n01440764", 1)
    with pytest.raises(UsageError, match="has 1 classes; imagenet has 1000"):
        open_imagenet(tmp_path, dataset_info("imagenet"), "train")


def test_tiny_imagenet_from_folder_and_from_parent(tmp_path: Path, make_tiny: Callable[..., Path]) -> None:
    home = make_tiny(tmp_path / "tiny-imagenet-200")
    info = dataset_info("tiny-imagenet")
    for root in (tmp_path, home):
        train, test = (open_tiny_imagenet(root, info, split) for split in ("train", "test"))
        assert len(train) == len(test) == 200
        assert train.labels == test.labels
        assert train.labels[:4] == ("goldfish", "crane", "crane, bird", "n00000003")
        # The annotations are in reverse, the class index is not.
        assert train.targets[:2].tolist() == [0, 1]
        assert test.targets[:2].tolist() == [199, 198]
        assert abs(int(test.batch(np.array([0]))[0, 0, 0, 0]) - 199) <= 3
        assert abs(int(train.batch(np.array([150]))[0, 0, 0, 0]) - 150) <= 3


def test_tiny_imagenet_without_training_images(tmp_path: Path, make_tiny: Callable[..., Path]) -> None:
    home = make_tiny(tmp_path / "t")
    (home / "train").rename(tmp_path / "elsewhere")
    assert open_tiny_imagenet(home, dataset_info("tiny-imagenet"), "test").targets[0] == 199


def test_tiny_imagenet_rearranged_by_class(tmp_path: Path, make_tiny: Callable[..., Path]) -> None:
    home = make_tiny(tmp_path / "t")
    for line in (home / "val" / "val_annotations.txt").read_text().splitlines():
        file, name = line.split("\t")[:2]
        (home / "val" / name).mkdir()
        (home / "val" / "images" / file).rename(home / "val" / name / file)
    (home / "val" / "images").rmdir()
    (home / "val" / "val_annotations.txt").unlink()
    assert open_tiny_imagenet(home, dataset_info("tiny-imagenet"), "test").targets.tolist() == list(range(200))


@pytest.mark.parametrize(
    "line", ["val_0.JPEG\tn99999999\t0", "val_9999.JPEG\tn00000000\t0", "val_0.JPEG", "../x.JPEG\tn00000000"]
)
def test_tiny_imagenet_annotations_are_checked(tmp_path: Path, make_tiny: Callable[..., Path], line: str) -> None:
    home = make_tiny(tmp_path / "t")
    with (home / "val" / "val_annotations.txt").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(IntegrityError, match=r"val_annotations\.txt, line 201"):
        open_tiny_imagenet(home, dataset_info("tiny-imagenet"), "test")


def test_tiny_imagenet_counts_its_classes(tmp_path: Path, make_tiny: Callable[..., Path]) -> None:
    make_tiny(tmp_path, classes=3)
    for split in ("train", "test"):
        with pytest.raises(UsageError, match="3 classes; tiny-imagenet has 200"):
            open_tiny_imagenet(tmp_path, dataset_info("tiny-imagenet"), split)
