"""Images made of several, and their soft labels: mixup, CutMix, RICAP; and random erasing."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ran_deploy.data.crops import draw_crops
from ran_deploy.train.recipe import Recipe

_ERASED = (0.02, 1 / 3)
"""Part of the image's area that is erased, from and to."""
_ERASED_ASPECT = 3.0
"""Largest ratio of the sides; with it a third of a square image still fits into it."""


def mix(
    inputs: Tensor, targets: Tensor, classes: int, rng: np.random.Generator, recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """Mix the images of a batch with one another, and their labels in the same proportion.

    Of ``mixup``, ``cutmix`` and ``ricap``, one that the recipe sets is drawn for the batch, each as likely. Random
    erasing comes first, on the single images. ``plain_epochs`` is the caller's: for those epochs, give a recipe with
    the three set to 0.

    Args:
        inputs: Normalized images, floating [N, 3, H, W], on any device; left as they are.
        targets: int64 [N], on the same device.
        classes: Number of classes.
        rng: The only source of randomness, so that a resumed run draws the same.
        recipe: Its ``mixup``, ``cutmix``, ``ricap``, ``random_erasing`` and ``label_smoothing``.

    Returns:
        The images, in the memory layout of ``inputs``, and the labels: float32 [N, classes], smoothed; each row's sum
        is 1. Where the recipe sets none of all that, ``inputs`` itself and one-hot labels.
    """
    smoothing = recipe.label_smoothing
    labels = functional.one_hot(targets, classes).float() * (1 - smoothing) + smoothing / classes
    if recipe.random_erasing:
        inputs = _erase(inputs, rng, recipe.random_erasing)
    mixers: list[tuple[Callable[..., tuple[Tensor, Tensor]], float]] = [
        (mixer, parameter)
        for mixer, parameter in ((_mixup, recipe.mixup), (_cutmix, recipe.cutmix), (_ricap, recipe.ricap))
        if parameter > 0
    ]
    if not mixers:
        return inputs, labels
    mixer, parameter = mixers[int(rng.integers(len(mixers)))]
    return mixer(inputs, labels, rng, parameter)


def _order(rng: np.random.Generator, like: Tensor) -> Tensor:
    return torch.from_numpy(rng.permutation(len(like))).to(like.device)


def _mixup(inputs: Tensor, labels: Tensor, rng: np.random.Generator, parameter: float) -> tuple[Tensor, Tensor]:
    """Zhang et al. (2018), "mixup: beyond empirical risk minimization"; one proportion for the batch."""
    share = float(rng.beta(parameter, parameter))
    order = _order(rng, inputs)
    return torch.lerp(inputs[order], inputs, share), torch.lerp(labels[order], labels, share)


def _cutmix(inputs: Tensor, labels: Tensor, rng: np.random.Generator, parameter: float) -> tuple[Tensor, Tensor]:
    """Yun et al. (2019), "CutMix", algorithm A1: a rectangle about a random centre, cut off at the image's edges."""
    height, width = inputs.shape[2:]
    side = np.sqrt(1 - rng.beta(parameter, parameter))
    centre = rng.integers((height, width))
    half = (np.array([height, width]) * side).astype(np.int64) // 2
    top, left = np.maximum(centre - half, 0)
    bottom, right = np.minimum(centre + half, (height, width))
    order = _order(rng, inputs)
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = inputs[order, :, top:bottom, left:right]
    other = float((bottom - top) * (right - left)) / (height * width)
    return mixed, torch.lerp(labels, labels[order], other)


def _ricap(inputs: Tensor, labels: Tensor, rng: np.random.Generator, parameter: float) -> tuple[Tensor, Tensor]:
    """Takahashi et al. (2018), "RICAP", section 3: four images around a random point, each cropped at random."""
    height, width = inputs.shape[2:]
    down, across = (round(side * rng.beta(parameter, parameter)) for side in (height, width))
    mixed, soft = torch.empty_like(inputs), torch.zeros_like(labels)
    for top, high in ((0, down), (down, height - down)):
        for left, wide in ((0, across), (across, width - across)):
            order = _order(rng, inputs)
            row, column = rng.integers((height - high + 1, width - wide + 1))
            part = inputs[order, :, row : row + high, column : column + wide]
            mixed[:, :, top : top + high, left : left + wide] = part
            soft += labels[order] * (high * wide / (height * width))
    return mixed, soft


def _erase(inputs: Tensor, rng: np.random.Generator, probability: float) -> Tensor:
    """Zhong et al. (2020), "Random erasing": a rectangle becomes the data set's mean colour, which is 0 here."""
    count, _, height, width = inputs.shape
    erased = rng.random(count) < probability
    boxes = draw_crops(rng, count, _ERASED, _ERASED_ASPECT).boxes(width, height).round()
    left, top, wide, high = torch.from_numpy(boxes * erased[:, None]).to(inputs.device).T[:, :, None]
    columns, rows = torch.arange(width, device=inputs.device), torch.arange(height, device=inputs.device)
    inside = ((rows >= top) & (rows < top + high))[:, :, None] & ((columns >= left) & (columns < left + wide))[:, None]
    return inputs.clone().masked_fill_(inside[:, None], 0)  # in place, or the memory layout would be lost
