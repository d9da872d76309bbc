"""Random rectangles: always inside, of the area and the ratio asked for, the same for one image as for a batch."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from ran_deploy.data.crops import Crops, draw_crops, load_crop
from ran_deploy.errors import IntegrityError

AREA, ASPECT = (0.08, 1.0), 4 / 3


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (64, 64), (2000, 10), (3, 800), (1, 1)])
def test_rectangles_lie_in_the_image(width: int, height: int) -> None:
    boxes = draw_crops(np.random.default_rng(0), 1000, AREA, ASPECT).boxes(width, height)
    left, top, wide, high = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (left + wide <= width * (1 + 1e-12)).all()
    assert (top + high <= height * (1 + 1e-12)).all()
    ratio = wide / high
    assert ratio.max() <= ASPECT * (1 + 1e-12)
    assert ratio.min() >= 1 / ASPECT * (1 - 1e-12)


def test_area_and_ratio_are_those_asked_for() -> None:
    boxes = draw_crops(np.random.default_rng(1), 4000, (0.2, 0.6), 2.0).boxes(400, 400)
    area = boxes[:, 2] * boxes[:, 3] / 400**2
    assert 0.2 <= area.min() < 0.21
    assert 0.55 < area.max() <= 0.6
    logarithm = np.log(boxes[:, 2] / boxes[:, 3])
    assert abs(logarithm.mean()) < 0.03  # neither wide nor tall ones are preferred: three standard errors
    assert logarithm.max() > 0.9 * math.log(2)


def test_the_whole_image_and_nothing_else() -> None:
    boxes = draw_crops(np.random.default_rng(2), 5, (1.0, 1.0), 1.0).boxes(32, 32)
    assert np.allclose(boxes, [0, 0, 32, 32])


def test_the_first_try_that_fits_counts() -> None:
    tries = np.array([[[1.0, 4.0], [0.25, 1.0], [0.5, 1.0]], [[1.0, 4.0], [1.0, 3.0], [1.0, 2.0]]])
    boxes = Crops(tries, np.array([[0.0, 1.0], [0.5, 0.5]])).boxes(100, 100)
    assert boxes[0].tolist() == [0, 50, 50, 50]
    # Nothing fits: the largest of the last ratio, 2 to 1.
    assert boxes[1].tolist() == [0, 25, 100, 50]


def test_one_image_has_the_rectangle_that_it_has_in_the_batch() -> None:
    crops = draw_crops(np.random.default_rng(3), 6, AREA, ASPECT)
    assert len(crops) == 6
    whole = crops.boxes(300, 200)
    assert all(np.array_equal(crops[place].boxes(300, 200)[0], whole[place]) for place in range(6))
    again = draw_crops(np.random.default_rng(3), 6, AREA, ASPECT)
    assert np.array_equal(again.boxes(300, 200), whole)


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, each from 0 to 255: a pixel says where in the image it is."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).round()
    pixels[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("size", "decoded"), [(64, 400), (48, 200), (20, 100), (4, 50)])
def test_a_photograph_is_decoded_no_larger_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int, size: int, decoded: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient(400, 320).save(tmp_path / "a.jpg", quality=95, exif=exif)
    loaded = []
    original = Image.Image.resize

    def resize(self: Image.Image, *arguments: Any) -> Image.Image:
        loaded.append(max(self.size))
        return original(self, *arguments)

    monkeypatch.setattr(Image.Image, "resize", resize)
    crop = Crops(np.array([[[0.36, 1.0]]]), np.array([[0.25, 0.5]]))  # 215 pixels each way
    seen = load_crop(tmp_path / "a.jpg", crop, size).astype(float)
    assert loaded == [decoded]
    with Image.open(tmp_path / "a.jpg") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored).convert("RGB")).astype(float)
    height, width = upright.shape[:2]
    left, top, wide, high = crop.boxes(width, height)[0]
    middle = upright[int(top + high / 2), int(left + wide / 2)]
    assert np.abs(seen[size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1].mean((0, 1)) - middle).max() < 8
    step = (seen[-1, -1] - seen[0, 0])[:2]
    whole = (upright[-1, -1] - upright[0, 0])[:2]
    share = (
        np.array([wide / width, high / height]) if orientation in (1, 3) else np.array([high / height, wide / width])
    )
    assert np.abs(step - whole * share * (size - 1) / size).max() < 8


def test_other_formats_and_whole_images_are_read_too(tmp_path: Path) -> None:
    gradient(60, 40).save(tmp_path / "a.png")
    whole = Crops(np.array([[[1.0, 1.5]]]), np.array([[1.0, 1.0]]))
    seen = load_crop(tmp_path / "a.png", whole, 20)
    assert seen.shape == (20, 20, 3)
    assert seen.dtype == np.uint8
    assert seen[0, 0, :2].max() < 12
    assert seen[-1, -1, :2].min() > 243


def test_extreme_images_give_crops(tmp_path: Path) -> None:
    crops = draw_crops(np.random.default_rng(0), 30, AREA, ASPECT)
    for width, height in ((1, 1), (1, 90), (700, 2)):
        Image.new("RGB", (width, height), (9, 8, 7)).save(tmp_path / "a.png")
        for place in range(30):
            assert (load_crop(tmp_path / "a.png", crops[place], 16) == (9, 8, 7)).all()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    gradient(60, 40).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:300])
    with pytest.raises(IntegrityError, match=r"a\.jpg"):
        load_crop(tmp_path / "a.jpg", draw_crops(np.random.default_rng(0), 1, AREA, ASPECT), 16)
