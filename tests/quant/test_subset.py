"""Calibration images: balanced, seeded, real, and from the training split only."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_bytes
from ran_deploy.manifest import Contract
from ran_deploy.quant.subset import DEFAULT_SAMPLES, choose_subset, open_calibration_data


@pytest.fixture
def contract() -> Contract:
    """CIFAR-10's."""
    info = dataset_info("cifar10")
    return make_contract(info, info.labels)


@pytest.fixture
def dataset() -> ArrayDataset:
    """200 images of ten classes, as uneven as 11 to 29 of a class."""
    rng = np.random.default_rng(1)
    targets = np.repeat(np.arange(10), np.arange(11, 30, 2)).astype(np.int64)
    images = rng.integers(0, 256, (len(targets), 32, 32, 3), dtype=np.uint8)
    return ArrayDataset(dataset_info("cifar10"), "train", dataset_info("cifar10").labels, images, targets)


def test_each_class_has_the_same_number_to_within_one(dataset: ArrayDataset) -> None:
    subset = choose_subset(dataset, 64, seed=0)
    counts = np.bincount(dataset.targets[subset.indices], minlength=10)
    assert len(subset) == len(set(subset.indices.tolist())) == 64
    assert (counts.min(), counts.max()) == (6, 7)


def test_the_seed_decides(dataset: ArrayDataset) -> None:
    first, again, other = (choose_subset(dataset, 40, seed=seed) for seed in (3, 3, 4))
    assert first.digest == again.digest
    np.testing.assert_array_equal(first.indices, again.indices)
    assert first.digest != other.digest


def test_digests_are_of_the_pixels_in_order(dataset: ArrayDataset) -> None:
    subset = choose_subset(dataset, 20, seed=0)
    assert subset.digests == tuple(sha256_bytes(dataset.images[index].tobytes()) for index in subset.indices)
    assert subset.digest == sha256_bytes("\n".join(subset.digests).encode())
    read = np.concatenate(list(subset.batches(7)))
    np.testing.assert_array_equal(read, dataset.images[subset.indices])


@pytest.mark.parametrize("samples", [0, -1, 201])
def test_more_images_than_there_are_names_both_numbers(dataset: ArrayDataset, samples: int) -> None:
    with pytest.raises(UsageError, match=f"^{samples} calibration images were asked for; cifar10 has 200"):
        choose_subset(dataset, samples, seed=0)


def test_a_negative_seed_is_refused(dataset: ArrayDataset) -> None:
    with pytest.raises(UsageError, match="seed is -1"):
        choose_subset(dataset, 10, seed=-1)


def test_the_test_split_stays_unseen(dataset: ArrayDataset) -> None:
    test = ArrayDataset(dataset.info, "test", dataset.labels, dataset.images, dataset.targets)
    with pytest.raises(UsageError, match="must stay unseen"):
        choose_subset(test, 10, seed=0)


def test_generated_images_are_refused(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never calibrated on generated"):
        choose_subset(make_synthetic("train"), 10, seed=0)
    with pytest.raises(UsageError, match="never calibrated on generated"):
        open_calibration_data("synthetic", tmp_path, contract)


def test_no_data_is_refused_with_the_way_out(contract: Contract) -> None:
    with pytest.raises(UsageError, match="needs real images") as caught:
        open_calibration_data("cifar10", None, contract)
    assert "--calib-data DIR" in caught.value.fix


def test_unknown_missing_and_wrong_data_are_refused(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'cifar11'"):
        open_calibration_data("cifar11", tmp_path, contract)
    with pytest.raises(UsageError, match="does not exist"):
        open_calibration_data("folder", tmp_path / "no", contract)
    with pytest.raises(UsageError, match="holds no cifar10 data"):
        open_calibration_data("cifar10", tmp_path, contract)
    with pytest.raises(UsageError, match="images of 32 pixels; those of imagenet have 224"):
        open_calibration_data("imagenet", tmp_path, contract)
    with pytest.raises(UsageError, match="No image was found"):
        open_calibration_data("folder", tmp_path, contract)


def test_a_folder_with_classes(contract: Contract, tmp_path: Path, make_images: Callable[..., Path]) -> None:
    dataset = open_calibration_data("folder", make_images(tmp_path / "images", size=50), contract)
    subset = choose_subset(dataset, 8, seed=0)
    assert np.bincount(dataset.targets[subset.indices]).tolist() == [2, 2, 2, 2]
    (images,) = subset.batches(8)
    assert images.shape == (8, 32, 32, 3)


def test_a_flat_folder_of_any_kind_of_image(contract: Contract, tmp_path: Path) -> None:
    Image.new("L", (40, 40), 9).save(tmp_path / "grey.png")
    Image.new("CMYK", (40, 40), (9, 8, 7, 6)).save(tmp_path / "cmyk.jpg")
    Image.new("RGB", (40, 40), (9, 8, 7)).save(tmp_path / "rgb.png")
    subset = choose_subset(open_calibration_data("folder", tmp_path, contract), 3, seed=0)
    (images,) = subset.batches(3)
    assert images.shape == (3, 32, 32, 3)
    assert (images[1] == 9).all()


def test_a_damaged_image_is_named(contract: Contract, tmp_path: Path, make_images: Callable[..., Path]) -> None:
    folder = make_images(tmp_path / "images", classes=2, each=2)
    damaged = folder / "class1" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(IntegrityError, match=r"class1/0\.png"):
        choose_subset(open_calibration_data("folder", folder, contract), 4, seed=0)


def test_a_decompression_bomb_is_named_before_it_is_decoded(contract: Contract, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("RGB", (8, 8)).save(bomb)
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + bomb.read_bytes()[24:29]
    bomb.write_bytes(bomb.read_bytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + bomb.read_bytes()[33:])
    with pytest.raises(UsageError, match=r"bomb\.png.*3600000000 pixels"):
        choose_subset(open_calibration_data("folder", tmp_path, contract), 1, seed=0)


def test_the_default_number_of_images_is_not_lowered_in_silence(contract: Contract, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    with pytest.raises(UsageError, match="512 calibration images were asked for; folder has 1") as caught:
        choose_subset(open_calibration_data("folder", tmp_path, contract), DEFAULT_SAMPLES, seed=0)
    assert "--calib-samples to a number from 1 to 1" in caught.value.fix
