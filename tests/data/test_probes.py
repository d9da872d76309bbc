"""The images that a lower precision is tried on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.probes import generated_images, probe_images
from ran_deploy.errors import IntegrityError, UsageError

INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)


def paint(folder: Path, count: int) -> None:
    for index in range(count):
        Image.new("RGB", (40, 36), (index, 0, 0)).save(folder / f"{index:03}.png")


def test_generated_images_use_the_whole_range_and_repeat() -> None:
    images = generated_images(20, 32)
    assert images.shape == (20, 32, 32, 3)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert len({image.tobytes() for image in images}) == 20
    assert np.array_equal(images, generated_images(20, 32))


def test_few_generated_images() -> None:
    assert generated_images(2, 5).shape == (2, 5, 5, 3)


def test_a_folder_is_sampled_evenly(tmp_path: Path) -> None:
    paint(tmp_path, 30)
    probes = probe_images(CONTRACT, tmp_path, most=4)
    assert [file.name for file in probes.files] == ["000.png", "010.png", "019.png", "029.png"]
    (batch,) = probes.batches()
    assert batch.shape == (4, 32, 32, 3)


def test_a_float_contract_gets_floats(tmp_path: Path) -> None:
    paint(tmp_path, 10)
    probes = probe_images(make_contract(INFO, INFO.labels, "float32-nchw"), tmp_path)
    shapes = [(str(batch.dtype), batch.shape) for batch in probes.batches()]
    assert shapes == [("float32", (8, 3, 32, 32)), ("float32", (2, 3, 32, 32))]


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    paint(tmp_path, 3)
    before = probe_images(CONTRACT, tmp_path).digest()
    Image.new("RGB", (40, 36), (9, 9, 9)).save(tmp_path / "001.png")
    assert probe_images(CONTRACT, tmp_path).digest() != before


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No image"):
        probe_images(CONTRACT, tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not an image")
    with pytest.raises(IntegrityError, match=r"bad\.png"):
        list(probe_images(CONTRACT, tmp_path).batches())
