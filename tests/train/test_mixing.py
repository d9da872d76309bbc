"""Mixed images and their labels: every label weighs as much as the pixels of its image."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ran_deploy.train.mixing import mix
from ran_deploy.train.recipe import Recipe

COUNT, CLASSES, SIDE = 12, 12, 16
TARGETS = torch.arange(COUNT)
RECIPES = {
    "none": Recipe(label_smoothing=0.0),
    "mixup": Recipe(label_smoothing=0.0, mixup=0.7),
    "cutmix": Recipe(label_smoothing=0.0, cutmix=1.0),
    "ricap": Recipe(label_smoothing=0.0, ricap=0.3),
    "erasing": Recipe(label_smoothing=0.0, random_erasing=0.5),
    "all": Recipe(label_smoothing=0.1, mixup=0.2, cutmix=1.0, ricap=0.3, random_erasing=0.25),
}


def coloured(count: int = COUNT) -> Tensor:
    """Images of one colour each: its number plus one, so that a pixel says which image it is from."""
    values = torch.arange(1.0, count + 1)[:, None, None, None].expand(-1, 3, SIDE, SIDE)
    return values.contiguous(memory_format=torch.channels_last)


def draw(name: str, seed: int) -> tuple[Tensor, Tensor]:
    return mix(coloured(), TARGETS, CLASSES, np.random.default_rng(seed), RECIPES[name])


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_labels_sum_to_one_and_only_the_generator_decides(name: str, seed: int) -> None:
    inputs = coloured()
    images, labels = mix(inputs, TARGETS, CLASSES, np.random.default_rng(seed), RECIPES[name])
    assert (labels.dtype, labels.shape) == (torch.float32, (COUNT, CLASSES))
    assert torch.allclose(labels.sum(1), torch.ones(COUNT), atol=1e-6)
    assert labels.min() >= 0
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, coloured())
    again = mix(inputs, TARGETS, CLASSES, np.random.default_rng(seed), RECIPES[name])
    assert torch.equal(images, again[0])
    assert torch.equal(labels, again[1])


def test_with_nothing_set_the_images_are_untouched_and_the_labels_smoothed() -> None:
    inputs = coloured()
    images, labels = mix(inputs, TARGETS % 3, 4, np.random.default_rng(0), Recipe(label_smoothing=0.2))
    assert images is inputs
    assert torch.allclose(labels[1], torch.tensor([0.05, 0.85, 0.05, 0.05]))


@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_a_point_between_two_images_and_between_their_labels(seed: int) -> None:
    images, labels = draw("mixup", seed)
    for image, label in zip(images, labels, strict=True):
        assert (image == image[0, 0, 0]).all()
        assert 1 <= int((label > 0).sum()) <= 2
        expected = (label * torch.arange(1.0, CLASSES + 1)).sum()
        assert torch.isclose(image[0, 0, 0], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["cutmix", "ricap"])
@pytest.mark.parametrize("seed", range(8))
def test_a_label_weighs_as_much_as_the_area_of_its_image(name: str, seed: int) -> None:
    images, labels = draw(name, seed)
    assert (images == images[:, :1]).all()  # whole pixels, never mixed colours
    for image, label in zip(images[:, 0], labels, strict=True):
        area = torch.bincount(image.flatten().long() - 1, minlength=CLASSES) / SIDE**2
        assert torch.allclose(area, label, atol=1e-6)


def test_cutmix_replaces_one_rectangle() -> None:
    images, labels = draw("cutmix", 1)
    changed = (images != coloured())[:, 0]
    for one, label in zip(changed, labels, strict=True):
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns)
        assert 1 <= int((label > 0).sum()) <= 2


def test_ricap_makes_four_parts_around_one_point() -> None:
    parts = [len(row.unique()) for seed in range(10) for row in draw("ricap", seed)[0][:, 0]]
    assert max(parts) == 4
    assert min(parts) >= 1


def test_ricap_crops_each_part_out_of_its_image() -> None:
    # Each pixel holds its own place, which a crop keeps in order.
    places = torch.arange(SIDE * SIDE, dtype=torch.float32).view(1, 1, SIDE, SIDE).expand(COUNT, 3, -1, -1)
    images, _ = mix(places, TARGETS, CLASSES, np.random.default_rng(3), RECIPES["ricap"])
    one = images[0, 0]
    across, down = one[:, 1:] - one[:, :-1], one[1:] - one[:-1]
    # One border across and one down at most; everywhere else neighbours stay neighbours.
    assert int((across != 1).any(0).sum()) <= 1
    assert int((down != SIDE).any(1).sum()) <= 1


def test_erasing_puts_the_mean_colour_into_a_rectangle_of_some_images() -> None:
    inputs = coloured(400)
    targets = torch.zeros(400, dtype=torch.int64)
    images, labels = mix(inputs, targets, 2, np.random.default_rng(0), Recipe(random_erasing=0.5, label_smoothing=0.0))
    erased = images[:, 0] == 0
    touched = erased.flatten(1).any(1)
    assert 150 < int(touched.sum()) < 250  # of 400 with probability 1/2: five standard deviations
    for one in erased[touched]:
        assert torch.equal(one, one.any(1)[:, None] & one.any(0))
        area, (high, wide) = int(one.sum()), (int(one.any(1).sum()), int(one.any(0).sum()))
        assert 2 <= area <= 0.45 * SIDE**2  # a third, and the rounding of both sides
        assert max(high / wide, wide / high) <= 4.5
    assert torch.equal(images[~touched], inputs[~touched])
    assert torch.equal(labels[:, 0], torch.ones(400))


def test_each_mixer_that_is_set_has_its_turn() -> None:
    seen = set()
    for seed in range(30):
        images, labels = mix(
            coloured(), TARGETS, CLASSES, np.random.default_rng(seed), Recipe(mixup=1.0, cutmix=1.0, label_smoothing=0)
        )
        seen.add("cutmix" if torch.equal(images, images.round()) else "mixup")
        assert torch.allclose(labels.sum(1), torch.ones(COUNT))
    assert seen == {"cutmix", "mixup"}
