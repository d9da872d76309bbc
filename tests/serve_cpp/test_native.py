"""Preprocessing in the library that Python uses where it is asked to: equal to Pillow's and NumPy's, bit for bit."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.native import LIBRARY_VARIABLE, NativeLibrary, native_library
from ran_deploy.data.preprocess import load_image, to_engine_input, to_model_size
from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.manifest import Preprocessing
from tests.serve_cpp.building import SAMPLES, Built, run_quietly

HALF = (0.5, 0.5, 0.5)
RULE = Preprocessing(resize=None, size=32, mean=HALF, std=HALF)


@pytest.fixture
def native(built: Built) -> NativeLibrary:
    return NativeLibrary(str(built.library))


def _equal(native: NativeLibrary, pixels: np.ndarray, rule: Preprocessing) -> bool:
    """Compare with Pillow; both may refuse the image, then with the same words."""
    try:
        expected = to_model_size(Image.fromarray(pixels), rule)
    except UsageError as refused:
        with pytest.raises(UsageError) as caught:
            native.fit(pixels, rule.resize, rule.size)
        return (caught.value.message, caught.value.fix) == (refused.message, refused.fix)
    return np.array_equal(native.fit(pixels, rule.resize, rule.size), expected)


_SIDES = (1, 2, 3, 5, 7, 16, 31, 32, 33, 64, 77, 100, 255, 300)


@pytest.mark.parametrize("resize", [None, 20, 32, 36, 256])
@pytest.mark.parametrize("size", [1, 2, 31, 32, 224])
def test_resize_equals_pillow(native: NativeLibrary, resize: int | None, size: int) -> None:
    draw = np.random.default_rng(size)
    for width in _SIDES:
        height = int(draw.choice(_SIDES))
        pixels = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if width % 2:  # edges, where a rounding shows most
            pixels = (pixels > 127).astype(np.uint8) * 255
        rule = Preprocessing(resize=resize, size=size, mean=HALF, std=HALF)
        assert _equal(native, pixels, rule), (width, height)


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (3, 1777), (1777, 2), (1, 1), (1500, 1000), (480, 640)])
def test_extreme_shapes(native: NativeLibrary, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for rule in (RULE, dataclasses.replace(RULE, resize=256, size=224), dataclasses.replace(RULE, size=333)):
        assert _equal(native, pixels, rule), rule


def test_a_very_long_image_takes_little_memory(native: NativeLibrary) -> None:
    # Where all rows of a pass were kept at once, this would take 10 GB.
    pixels = np.zeros((2**24, 1, 3), np.uint8)
    pixels[: 2**23] = 200
    fitted = native.fit(pixels, None, 224)
    assert fitted[0, 0, 0] == 200
    assert fitted[-1, -1, 0] == 0


def test_normalization_equals_numpy(native: NativeLibrary, monkeypatch: pytest.MonkeyPatch, built: Built) -> None:
    for name in ("cifar10", "imagenet"):
        info = dataset_info(name)
        contract = make_contract(info, ("a", "b"), "float32-nchw")
        images = np.random.default_rng(1).integers(0, 256, (3, info.size, info.size, 3), dtype=np.uint8)
        images[0].flat[:256] = np.arange(256)
        expected = to_engine_input(images, contract)
        monkeypatch.setenv(LIBRARY_VARIABLE, str(built.library))
        assert np.array_equal(to_engine_input(images, contract), expected)
        assert to_engine_input(images[:0], contract).shape == (0, 3, info.size, info.size)
        monkeypatch.delenv(LIBRARY_VARIABLE)


def test_python_uses_it_only_when_asked(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    assert native_library() is None
    rule = dataclasses.replace(RULE, resize=40)
    expected = [load_image(path, rule) for path in SAMPLES]
    monkeypatch.setenv(LIBRARY_VARIABLE, str(built.library))
    library = native_library()
    assert library is not None
    assert native_library() is library
    used = []
    monkeypatch.setattr(NativeLibrary, "_check", lambda self, status: used.append(status))
    for path, image in zip(SAMPLES, expected, strict=True):
        assert np.array_equal(load_image(path, rule), image)
    assert used == [0] * len(SAMPLES)


def test_what_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = tmp_path / "libran_deploy.so"
    text.write_text("no library")
    for path in (str(tmp_path / "gone.so"), str(text), "libc.so.6"):
        monkeypatch.setenv(LIBRARY_VARIABLE, path)
        with pytest.raises(MissingError, match="cannot be loaded"):
            to_model_size(Image.new("RGB", (3, 3)), RULE)


def test_another_interface_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text("unsigned ran_abi_version(void) { return 7; }")
    run_quietly("cc", "-shared", "-fPIC", "-o", tmp_path / "other.so", source)
    with pytest.raises(IncompatibleError, match=r"interface version 7; this ran-deploy speaks 1\.$"):
        NativeLibrary(str(tmp_path / "other.so"))


def test_the_crop_is_the_middle(native: NativeLibrary) -> None:
    pixels = np.zeros((256, 512, 3), np.uint8)
    pixels[16:240, 144:368] = 255
    assert native.fit(pixels, 256, 224).min() == 255
    assert math.prod(native.fit(pixels, 256, 224).shape) == 224 * 224 * 3
