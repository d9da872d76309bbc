"""A dataset of some classes of another: which images, under which labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.few_classes import few_classes
from ran_deploy.data.image_folder import open_folder
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import UsageError


def test_images_in_memory_keep_their_pixels_and_class_names() -> None:
    whole = make_synthetic("train", 40)
    part = few_classes(whole, 3)
    assert len(part) == 12
    assert part.info.classes == len(part.labels) == 3
    names = [whole.labels[target] for target in whole.targets]
    places = [place for place, name in enumerate(names) if name in part.labels]
    assert [part.labels[target] for target in part.targets] == [names[place] for place in places]
    np.testing.assert_array_equal(part.batch(np.arange(12)), whole.batch(np.asarray(places)))


def test_both_splits_keep_the_same_classes() -> None:
    labels = {few_classes(make_synthetic(split, 40), 4).labels for split in ("train", "test")}
    assert len(labels) == 1


def test_image_files_are_not_read(tmp_path: Path) -> None:
    for level, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32), (60 * level, 0, 0)).save(tmp_path / name / "1.png")
        (tmp_path / name / "damaged.png").write_bytes(b"")
    part = few_classes(open_folder(tmp_path, dataset_info("cifar10"), "train"), 2)
    assert (len(part), part.info.classes) == (4, 2)
    first = part.batch(np.asarray([0, 2]))
    assert [int(image[0, 0, 0]) // 60 for image in first] == ["abcd".index(label) for label in part.labels]


def test_all_classes_are_the_dataset_itself() -> None:
    whole = make_synthetic("test", 20)
    assert few_classes(whole, None) is whole
    assert few_classes(whole, 10) is whole


@pytest.mark.parametrize("classes", [1, 11])
def test_impossible_numbers(classes: int) -> None:
    with pytest.raises(UsageError, match=f"{classes} classes were asked for"):
        few_classes(make_synthetic("test", 20), classes)
