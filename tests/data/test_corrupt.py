import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ran_deploy.data.corrupt import parse_corruption
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import UsageError

_IMAGES = make_synthetic("test", 8).images
_PLACES = np.arange(8, dtype=np.int64)


@pytest.mark.parametrize("text", ["jpeg:50", "jpeg:100", "blur:0.5", "blur:1", "noise:10", "noise:2.5"])
def test_names_are_read_back(text: str) -> None:
    assert parse_corruption(text).name == text


@pytest.mark.parametrize(
    "text",
    ["jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:50.5", "blur:0", "blur:-1", "noise:nan", "noise:inf", "fog:1", ""],
)
def test_refuses_what_makes_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match=r"^The corruption is .*; expected jpeg:QUALITY \(1 to 100\), blur:SIGMA"):
        parse_corruption(text)


def test_jpeg_is_what_pillow_writes_and_reads() -> None:
    found = parse_corruption("jpeg:30").apply(_IMAGES, _PLACES)
    assert found.dtype == np.uint8
    assert found.shape == _IMAGES.shape
    for image, worse in zip(_IMAGES, found, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=30, subsampling=2)  # Pillow's number for 4:2:0
        assert np.array_equal(np.asarray(Image.open(stream)), worse)


def test_a_lower_quality_is_further_off() -> None:
    def error(text: str) -> float:
        return float(np.abs(parse_corruption(text).apply(_IMAGES, _PLACES).astype(int) - _IMAGES).mean())

    assert 0 < error("jpeg:90") < error("jpeg:50") < error("jpeg:10")
    assert 0 < error("blur:0.5") < error("blur:1") < error("blur:2")


def test_blur_is_pillows() -> None:
    found = parse_corruption("blur:1.5").apply(_IMAGES, _PLACES)
    for image, worse in zip(_IMAGES, found, strict=True):
        assert np.array_equal(np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5))), worse)


def test_blur_has_the_stated_width() -> None:
    """A white line blurred spreads with the variance σ²: Pillow's radius is a standard deviation."""
    image = np.zeros((1, 65, 65, 3), np.uint8)
    image[0, :, 32] = 255
    profile = parse_corruption("blur:3").apply(image, np.zeros(1, np.int64))[0, 32, :, 0].astype(float)
    offsets = np.arange(65) - 32
    assert (profile * offsets**2).sum() / profile.sum() == pytest.approx(9, rel=0.05)


def test_noise_has_the_stated_spread_and_no_bias() -> None:
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    noise = parse_corruption("noise:10").apply(grey, np.arange(4, dtype=np.int64)).astype(float) - 128
    # 49,152 draws: standard errors of 0.045 for the mean and 0.03 for the deviation; rounding adds 1/12 of variance.
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert noise.std() == pytest.approx(np.sqrt(100 + 1 / 12), abs=0.15)


def test_noise_depends_on_the_image_and_not_on_its_batch() -> None:
    noise = parse_corruption("noise:5")
    whole = noise.apply(_IMAGES, _PLACES)
    assert np.array_equal(noise.apply(_IMAGES[3:5], _PLACES[3:5]), whole[3:5])
    same = noise.apply(np.repeat(_IMAGES[:1], 2, axis=0), _PLACES[:2])
    assert not np.array_equal(same[0], same[1])


def test_noise_stays_within_the_grey_levels() -> None:
    ends = np.stack([np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)])
    dark, bright = parse_corruption("noise:20").apply(ends, _PLACES[:2])
    assert dark.max() < 128 < bright.min()  # nothing wrapped around
