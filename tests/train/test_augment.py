import colorsys

import numpy as np
import pytest
import torch

from ran_deploy.data.crops import draw_crops
from ran_deploy.train.augment import _cut, _cut_by_index, augment, to_input
from ran_deploy.train.recipe import Recipe

PLAIN = Recipe(crop_padding=0, flip=False)
SHIFTED = Recipe(crop_padding=2, flip=True)
RESIZED = Recipe(resized_crop=(0.25, 1.0))
JITTERED = Recipe(crop_padding=0, flip=False, colour_jitter=0.4)


def crop(padded: torch.Tensor, row: int, column: int, flip: bool) -> torch.Tensor:
    part = padded[row : row + 8, column : column + 8]
    return part.flip(1) if flip else part


def noise(count: int, size: int = 8) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (count, size, size, 3), dtype=np.uint8))


def test_every_image_is_a_crop_of_its_padded_self_perhaps_mirrored() -> None:
    images = noise(40)
    shifted = augment(images, np.random.default_rng(1), SHIFTED)
    assert shifted.dtype == torch.uint8
    offsets, mirrored = set(), set()
    for before, after in zip(images, shifted, strict=True):
        padded = torch.zeros(12, 12, 3, dtype=torch.uint8)
        padded[2:10, 2:10] = before
        found = [
            (row, column, flip)
            for row in range(5)
            for column in range(5)
            for flip in (False, True)
            if torch.equal(crop(padded, row, column, flip), after)
        ]
        assert len(found) == 1
        offsets.add(found[0][:2])
        mirrored.add(found[0][2])
    assert len(offsets) > 10
    assert mirrored == {False, True}


def test_both_ways_to_cut_give_the_same() -> None:
    images, starts = noise(6, 12), np.random.default_rng(0).integers(0, 5, (6, 2))
    windows = _cut(images, starts, 8, 7)
    assert windows.shape == (6, 8, 7, 3)
    assert torch.equal(windows, _cut_by_index(images, starts, 8, 7))


def test_without_padding_and_flip_nothing_changes() -> None:
    images = noise(2)
    assert torch.equal(augment(images, np.random.default_rng(0), PLAIN), images)


@pytest.mark.parametrize("recipe", [SHIFTED, RESIZED, JITTERED, Recipe(resized_crop=(0.5, 1.0), colour_jitter=0.2)])
def test_the_generator_is_the_only_randomness(recipe: Recipe) -> None:
    images = noise(8)
    kept = images.clone()
    first = augment(images, np.random.default_rng(3), recipe)
    assert first.shape == images.shape
    assert first.is_contiguous()  # or the network would be fed in its slow memory layout
    assert torch.equal(first, augment(images, np.random.default_rng(3), recipe))
    assert not torch.equal(first, augment(images, np.random.default_rng(4), recipe))
    assert torch.equal(images, kept)


def test_a_resized_crop_of_the_whole_image_is_the_image() -> None:
    whole = Recipe(resized_crop=(1.0, 1.0), aspect=1.0, flip=False)
    images = noise(5)
    assert torch.equal(augment(images, np.random.default_rng(0), whole), images)
    mirrored = augment(images, np.random.default_rng(0), Recipe(resized_crop=(1.0, 1.0), aspect=1.0))
    for before, after in zip(images, mirrored, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(1))


def test_a_resized_crop_shows_the_rectangle_drawn() -> None:
    # Red counts the columns, green the rows: each pixel says where in the image it was taken.
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    one = torch.stack([4 * columns, 4 * rows, torch.zeros_like(rows)], dim=-1).to(torch.uint8)
    recipe = Recipe(resized_crop=(0.25, 0.5), flip=False)
    seen = augment(one.expand(6, -1, -1, -1), np.random.default_rng(5), recipe).float() / 4
    boxes = draw_crops(np.random.default_rng(5), 6, (0.25, 0.5), recipe.aspect).boxes(64, 64)
    for image, (left, top, wide, high) in zip(seen, boxes, strict=True):
        centres = (np.arange(64) + 0.5) / 64
        # A pixel's index is its centre less half a pixel; the image ends at its outermost centres.
        across, down = ((start + side * centres - 0.5).clip(0, 63) for start, side in ((left, wide), (top, high)))
        assert np.abs(image[10, :, 0].numpy() - across).max() <= 0.13
        assert np.abs(image[:, 10, 1].numpy() - down).max() <= 0.13


def test_jitter_keeps_grey_grey_and_within_its_bounds() -> None:
    images = torch.full((200, 4, 4, 3), 100, dtype=torch.uint8)
    changed = augment(images, np.random.default_rng(0), JITTERED)
    assert (changed == changed[..., :1]).all()  # saturation does nothing to grey
    assert (changed == changed[:, :1, :1]).all()  # nor contrast to a single colour
    assert 60 <= int(changed.min()) < 65
    assert 135 < int(changed.max()) <= 140


def test_jitter_keeps_the_hue_and_changes_saturation_both_ways() -> None:
    images = torch.tensor([150, 110, 80], dtype=torch.uint8).expand(100, 2, 2, 3)
    changed = augment(images, np.random.default_rng(1), JITTERED)[:, 0, 0].tolist()
    hue, saturation, _ = colorsys.rgb_to_hsv(150, 110, 80)
    found = [colorsys.rgb_to_hsv(*pixel) for pixel in changed]
    assert all(abs(one[0] - hue) < 0.02 for one in found)
    assert any(one[1] > saturation + 0.1 for one in found)
    assert any(one[1] < saturation - 0.1 for one in found)


def test_jitter_clips_instead_of_wrapping_around() -> None:
    images = torch.tensor([[[[255, 255, 255], [0, 0, 0]]]], dtype=torch.uint8).expand(200, 1, 2, 3)
    changed = augment(images, np.random.default_rng(2), JITTERED).float()
    assert (changed[:, 0, 0] > changed[:, 0, 1]).all()


def test_padding_stays_black_under_jitter() -> None:
    images = torch.full((30, 8, 8, 3), 200, dtype=torch.uint8)
    changed = augment(images, np.random.default_rng(0), Recipe(crop_padding=2, colour_jitter=0.4))
    borders = changed[changed.float().amax(-1) < 60]
    assert len(borders) > 100
    assert not borders.any()


def test_to_input_normalizes_and_resizes() -> None:
    images = torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)
    images[..., 1] = 0
    for size in (32, 16):
        out = to_input(images, (0.5, 0.5, 0.5), (0.25, 0.5, 0.25), size)
        assert out.shape == (1, 3, size, size)
        assert torch.allclose(out.mean((0, 2, 3)), torch.tensor([2.0, -1.0, 2.0]), atol=1e-5)
        assert out.is_contiguous(memory_format=torch.channels_last)
