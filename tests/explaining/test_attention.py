"""What is read from an engine for a picture: known masks, the telling channel, the view of the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.errors import GateError, UsageError
from ran_deploy.explaining.attention import VIEW_SIDE, _most_telling, attend, by_stage, sharp_view
from ran_deploy.manifest import Preprocessing
from ran_deploy.runtime.open import open_engine
from tests.explaining.masked import SIZE, save_checkpoint, save_masked


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Left half black, right half blue, 2 × SIZE wide and high."""
    pixels = np.zeros((2 * SIZE, 2 * SIZE, 3), np.uint8)
    pixels[:, SIZE:, 2] = 255
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_masks_of_an_onnx_file(tmp_path: Path, photo: Path) -> None:
    with open_engine(save_masked(tmp_path / "masked.onnx")) as session:
        found = attend(session, photo, top=2)
    assert [guess.label for guess in found.top] == ["blue", "red"]
    assert list(by_stage(found.modules)) == [1, 2]
    assert [module.name for module in by_stage(found.modules)[1]] == ["mask_stage1_1", "mask_stage1_2"]
    first = found.modules[0].mask
    assert np.allclose(first[:, : SIZE // 2 - 1], 0, atol=1e-6)
    assert np.allclose(first[:, SIZE // 2 + 1 :], 1 / 3, atol=1e-6)
    assert {module.channel for module in found.modules} == {None}


def test_a_checkpoint_also_tells_features(tmp_path: Path, photo: Path) -> None:
    with open_engine(save_checkpoint(tmp_path / "att92.safetensors")) as session:
        found = attend(session, photo, top=1)
    assert [len(modules) for modules in by_stage(found.modules).values()] == [2, 2, 2]
    for module in found.modules:
        channel = module.channel
        assert channel is not None
        assert channel.before.shape == module.mask.shape
        assert np.allclose(channel.after, (1 + channel.mask) * channel.before, atol=1e-4)


def test_the_telling_channel_is_where_mask_and_features_vary() -> None:
    flat, ramp = np.zeros((4, 4), np.float32), np.arange(16, dtype=np.float32).reshape(4, 4) / 16
    before = np.stack([ramp, flat, ramp])
    mask = np.stack([flat, ramp, ramp / 2])
    chosen = _most_telling(before, mask, before * (1 + mask))
    assert chosen.channel == 2
    assert np.array_equal(chosen.mask, ramp / 2)


def test_masks_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    white = tmp_path / "white.png"
    Image.new("RGB", (SIZE, SIZE), "white").save(white)
    with (
        open_engine(save_masked(tmp_path / "masked.onnx", overflow=True)) as session,
        pytest.raises(GateError, match="not finite"),
    ):
        attend(session, white, top=1)


def test_an_engine_without_masks_is_refused(engines_without_masks: Path, photo: Path) -> None:
    with open_engine(engines_without_masks) as session, pytest.raises(UsageError, match="no attention masks"):
        attend(session, photo, top=1)


def test_the_view_is_sharp_and_shows_what_the_network_sees(tmp_path: Path) -> None:
    pixels = np.zeros((300, 600, 3), np.uint8)
    pixels[:, 300:] = 255
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    rule = Preprocessing(resize=None, size=32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    squeezed = sharp_view(path, rule)
    assert squeezed.shape == (VIEW_SIDE, VIEW_SIDE, 3)
    assert (squeezed[:, 10].max(), squeezed[:, -10].min()) == (0, 255)
    cropped = sharp_view(path, replace(rule, resize=256, size=224))
    assert cropped.shape == (224, 224, 3)
    assert (cropped[:, 100].max(), cropped[:, -100].min()) == (0, 255)
