"""The resize rule by its golden values, and the tensors that engines take."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import InputKind, make_contract
from ran_deploy.data.preprocess import find_images, load_image, load_images, to_engine_input, to_model_size
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.manifest import Preprocessing

HALF = (0.5, 0.5, 0.5)
IMAGENET = Preprocessing(resize=256, size=224, mean=HALF, std=HALF)
EXACT = Preprocessing(resize=None, size=32, mean=HALF, std=HALF)


def _picture(width: int, height: int) -> Image.Image:
    """Waves and edges, by whole-number arithmetic."""
    y, x = np.mgrid[:height, :width]
    planes = [(x * 3 + y * y // 7) % 256, (x * y // 5) % 256, np.where((x // 9 + y // 5) % 2, 230, 20)]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


@pytest.mark.parametrize(
    ("width", "height", "rule", "digest"),
    [
        (640, 480, IMAGENET, "81e6cc494f9054ef"),
        (333, 500, IMAGENET, "b6f6af85cc06069b"),
        (100, 60, IMAGENET, "b36233bdcc2bea32"),
        (256, 256, IMAGENET, "6252aad5f332727b"),
        (64, 48, EXACT, "056b2279f6db519d"),
        (32, 32, EXACT, "efe5c269d0b4eab1"),
    ],
)
def test_golden_values(width: int, height: int, rule: Preprocessing, digest: str) -> None:
    image = to_model_size(_picture(width, height), rule)
    assert image.shape == (rule.size, rule.size, 3)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == digest


def _noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 12 always resizes the columns first")
@pytest.mark.parametrize(("width", "height"), [(50, 55), (64, 64), (9, 200), (34, 45), (26, 36), (40, 62), (90, 20)])
@pytest.mark.parametrize("side", [11, 20, 41, 52, 70])
def test_the_order_of_the_passes_is_that_of_pillow_13(width: int, height: int, side: int) -> None:
    noise = _noise(width, height)
    at_once = np.asarray(noise.resize((side, side), Image.Resampling.BILINEAR))
    assert np.array_equal(to_model_size(noise, Preprocessing(resize=None, size=side, mean=HALF, std=HALF)), at_once)


def test_rows_come_first_where_many_are_lost() -> None:
    noise = _noise(2, 77)
    rows, columns = (noise.resize(size, Image.Resampling.BILINEAR) for size in ((2, 51), (51, 77)))
    rows_first, columns_first = (
        np.asarray(half.resize((51, 51), Image.Resampling.BILINEAR)) for half in (rows, columns)
    )
    assert not np.array_equal(rows_first, columns_first)
    assert np.array_equal(to_model_size(noise, Preprocessing(resize=None, size=51, mean=HALF, std=HALF)), rows_first)


def test_bilinear_filter_by_hand() -> None:
    # Halving: the triangle filter is two output pixels wide, so inputs weigh 1, 3, 3, 1 of 8.
    row = np.array([0, 0, 80, 160, 240, 40, 8, 8], np.uint8)
    image = Image.fromarray(np.repeat(np.repeat(row[None, :, None], 8, 0), 3, 2))
    small = to_model_size(image, Preprocessing(resize=None, size=4, mean=HALF, std=HALF))
    assert small[1, 1, 0] == round((0 + 3 * 80 + 3 * 160 + 240) / 8)
    assert small[2, 2, 1] == round((160 + 3 * 240 + 3 * 40 + 8) / 8)


def test_resize_then_crop_is_centred() -> None:
    image = Image.new("RGB", (512, 256))
    image.paste((255, 255, 255), (256 - 112, 16, 256 + 112, 16 + 224))
    assert to_model_size(image, IMAGENET).min() == 255
    assert to_model_size(image.transpose(Image.Transpose.ROTATE_90), IMAGENET).min() == 255


def test_an_image_of_model_size_is_unchanged() -> None:
    picture = _picture(32, 32)
    assert np.array_equal(to_model_size(picture, EXACT), np.asarray(picture))


def test_strips(tmp_path: Path) -> None:
    for size in ((1, 1000), (1000, 1), (1, 1)):
        Image.new("RGB", size, (5, 6, 7)).save(tmp_path / "strip.png")
        for rule in (IMAGENET, EXACT):
            image = load_image(tmp_path / "strip.png", rule)
            assert image.shape == (rule.size, rule.size, 3)
            assert (image == [5, 6, 7]).all()
    Image.new("RGB", (1, 5000)).save(tmp_path / "strip.png")
    with pytest.raises(UsageError, match=r"strip\.png: an image of 1×5000 would be resized to 256×1280000"):
        load_image(tmp_path / "strip.png", IMAGENET)


def test_load_images(tmp_path: Path) -> None:
    for place in range(3):
        Image.new("RGB", (40, 50), (place, 0, 0)).save(tmp_path / f"{place}.png")
    paths = [tmp_path / "2.png", tmp_path / "0.png"]
    assert load_images(paths, EXACT)[:, 9, 9, 0].tolist() == [2, 0]
    assert load_images([], EXACT).shape == (0, 32, 32, 3)
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(IntegrityError, match=r"0\.png"):
        load_images(paths, EXACT)


def test_find_images(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "folder.png").mkdir()
    for name in ("b.JPG", "deep/er/a.webp", "deep/c.txt", "deep/._d.png"):
        (tmp_path / name).write_text("x")
    assert find_images([tmp_path]) == [tmp_path / "b.JPG", tmp_path / "deep/er/a.webp"]
    assert find_images([tmp_path / "deep/c.txt"]) == [tmp_path / "deep/c.txt"], "a file that is named is taken"
    with pytest.raises(UsageError, match="No image was found"):
        find_images([tmp_path / "folder.png"])
    with pytest.raises(UsageError, match="does not exist"):
        find_images([tmp_path / "gone"])


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
@pytest.mark.parametrize("kind", ["uint8", "float32-nchw"])
def test_engine_input_equals_the_formula(name: str, kind: InputKind) -> None:
    info = dataset_info(name)
    contract = make_contract(info, ("a", "b"), kind)
    images = np.random.default_rng(1).integers(0, 256, (2, info.size, info.size, 3), dtype=np.uint8)
    made = to_engine_input(images, contract)
    assert made.dtype == contract.input.dtype
    assert made.flags.c_contiguous
    if kind == "uint8":
        assert np.array_equal(made, images)
    else:
        expected = (images / 255 - np.array(info.mean)) / np.array(info.std)
        assert made.shape == (2, 3, info.size, info.size)
        assert np.abs(made - expected.transpose(0, 3, 1, 2)).max() < 2e-6


def test_engine_input_of_a_float16_engine() -> None:
    contract = make_contract(dataset_info("cifar10"), ("a", "b"), "float32-nchw")
    half = replace(contract, input=replace(contract.input, dtype="float16"))
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    made = to_engine_input(images, half)
    assert made.dtype == np.float16
    assert np.array_equal(made, to_engine_input(images, contract).astype(np.float16))
