"""The picture: its kinds, its layout, its colours, and the refusals before any work."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.explaining.attention import ChannelView, ImageAttention, ModuleView
from ran_deploy.explaining.picture import draw, overlay
from ran_deploy.runtime.predict import Guess

RAMP = np.linspace(0.2, 0.6, 64, dtype=np.float32).reshape(8, 8)


def _image(*, features: bool) -> ImageAttention:
    channel = ChannelView(channel=5, before=RAMP - 0.4, mask=RAMP, after=(RAMP - 0.4) * (1 + RAMP))
    modules = tuple(
        ModuleView(name=name, mask=RAMP, channel=channel if features else None)
        for name in ("mask_stage1_1", "mask_stage1_2", "mask_stage2_1")
    )
    guess = Guess(label="ship <b>$\\frac{$ " * 9, index=0, probability=0.9)
    return ImageAttention(file=Path("a.png"), view=np.full((48, 48, 3), 128, np.uint8), top=(guess,), modules=modules)


@pytest.mark.parametrize("features", [False, True])
def test_columns_and_rows_set_the_size(tmp_path: Path, features: bool) -> None:
    sizes = []
    for count in (1, 3):
        draw([_image(features=features)] * count, tmp_path / "x.png", title="t")
        with Image.open(tmp_path / "x.png") as picture:
            sizes.append(picture.size)
            assert len(picture.convert("RGB").resize((64, 64)).getcolors(4096) or ()) > 20, "something was drawn"
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][1] > 1.5 * sizes[0][1]


def test_features_have_columns_of_their_own(tmp_path: Path) -> None:
    widths = []
    for features in (False, True):
        draw([_image(features=features)], tmp_path / "x.png", title="t")
        with Image.open(tmp_path / "x.png") as picture:
            widths.append(picture.size[0])
    assert widths[1] > 1.8 * widths[0]


def test_one_mask_leaves_room_for_title_and_notes(tmp_path: Path) -> None:
    one = replace(_image(features=False), modules=_image(features=False).modules[:1])
    draw([one], tmp_path / "x.png", title="attn-simple_tiny-imagenet_masks.onnx: where each attention module looks")
    with Image.open(tmp_path / "x.png") as picture:
        edge = np.asarray(picture.convert("L"))[:, -6:]
    assert (edge == 255).all(), "text that does not fit is cut off at the edge"


@pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_other_kinds_are_the_same_each_time(tmp_path: Path, suffix: str, magic: bytes) -> None:
    contents = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}{suffix}"
        draw([_image(features=True)], path, title="t")
        contents.append(path.read_bytes())
    assert contents[0].startswith(magic)
    assert contents[0] == contents[1]


def test_a_mask_is_bright_where_it_is_high() -> None:
    shown = overlay(np.zeros((48, 48, 3), np.uint8), RAMP)
    assert shown.shape == (48, 48, 3)
    brightness = shown.sum(axis=2)
    assert brightness[-6:, -6:].mean() > 10 * brightness[:6, :6].mean()
    assert np.isfinite(overlay(np.zeros((48, 48, 3), np.uint8), np.full((8, 8), 0.5, np.float32))).all()
