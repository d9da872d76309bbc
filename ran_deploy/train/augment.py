"""Augmentation on whole batches: colour jitter, a random crop, flip, and the progressive resolution."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ran_deploy.data.crops import draw_crops
from ran_deploy.train.recipe import Recipe

_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601, which JPEG files use too."""


def augment(images: Tensor, rng: np.random.Generator, recipe: Recipe) -> Tensor:
    """Change the colours of each image, crop it at random and mirror it, as the recipe says.

    The crop is either ``resized_crop`` (a random rectangle, brought to the image's size by bilinear interpolation) or
    one of the image's size out of its zero-padded self. Labels are never changed here.

    Args:
        images: uint8 [N, H, W, 3], on any device; left as they are.
        rng: The only source of randomness, so that a resumed run draws the same; on one device the same draws give
            the same bytes.
        recipe: Its ``colour_jitter``, ``resized_crop`` with ``aspect`` or ``crop_padding``, and ``flip``. Where the
            feeder has cropped already, give :attr:`ran_deploy.train.feeder.Feeder.recipe`.

    Returns:
        uint8 [N, H, W, 3].
    """
    if recipe.colour_jitter:
        images = _jitter(images, rng, recipe.colour_jitter)
    if recipe.resized_crop is None:
        return _padded_crop(images, rng, recipe.crop_padding, flip=recipe.flip)
    return _resized_crop(images, rng, recipe.resized_crop, recipe.aspect, flip=recipe.flip)


def _mirrored(rng: np.random.Generator, count: int, device: torch.device) -> Tensor:
    return torch.from_numpy(rng.random(count) < 0.5).to(device)


def _padded_crop(images: Tensor, rng: np.random.Generator, padding: int, *, flip: bool) -> Tensor:
    if padding == 0 and not flip:
        return images
    count, height, width, _ = images.shape
    device = images.device
    starts = [torch.from_numpy(rng.integers(0, 2 * padding + 1, (count, 1))).to(device) for _ in range(2)]
    rows = torch.arange(height, device=device) + starts[0]
    columns = torch.arange(width, device=device) + starts[1]
    if flip:
        columns = torch.where(_mirrored(rng, count, device)[:, None], columns.flip(1), columns)
    padded = functional.pad(images, (0, 0, padding, padding, padding, padding))
    index = torch.arange(count, device=device)[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]]


def _resized_crop(
    images: Tensor, rng: np.random.Generator, area: tuple[float, float], aspect: float, *, flip: bool
) -> Tensor:
    """The crop is never larger than the image, so that it is only ever enlarged: nothing has to be smoothed before."""
    count, height, width, _ = images.shape
    device = images.device
    boxes = draw_crops(rng, count, area, aspect).boxes(width, height)
    left, top, wide, high = torch.from_numpy(boxes).float().to(device).T[:, :, None]
    across = left + wide * (torch.arange(width, device=device) + 0.5) / width
    down = top + high * (torch.arange(height, device=device) + 0.5) / height
    if flip:
        across = torch.where(_mirrored(rng, count, device)[:, None], across.flip(1), across)
    # grid_sample counts from -1 to 1, from the outer edge of the first pixel to that of the last.
    grid = torch.empty((count, height, width, 2), device=device)
    grid[..., 0] = (2 * across / width - 1)[:, None, :]
    grid[..., 1] = (2 * down / height - 1)[:, :, None]
    pixels = images.permute(0, 3, 1, 2).float()
    sampled = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _to_uint8(sampled).permute(0, 2, 3, 1).contiguous()  # channels last, as the network wants them


def _jitter(images: Tensor, rng: np.random.Generator, most: float) -> Tensor:
    """Multiply brightness, contrast and saturation of each image by a factor of 1 - ``most`` to 1 + ``most``.

    Contrast is about the image's mean grey, saturation about each pixel's own grey; after each of the three, in this
    order, values stay within 0 to 255.
    """
    factors = torch.from_numpy(rng.uniform(1 - most, 1 + most, (3, len(images)))).float().to(images.device)
    brightness, contrast, saturation = factors[:, :, None, None, None]
    weights = torch.tensor(_GREY, device=images.device)
    x = (images * brightness).clamp_(0, 255)
    mean = (x @ weights).mean((1, 2))[:, None, None, None]
    x = torch.lerp(mean, x, contrast).clamp_(0, 255)
    x = torch.lerp((x @ weights)[..., None], x, saturation)
    return _to_uint8(x)


def _to_uint8(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)


def to_input(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> Tensor:
    """Normalize uint8 [N, H, W, 3] to float32 [N, 3, size, size] in channels-last memory."""
    scale = 255 * torch.tensor(std, device=images.device)
    offset = 255 * torch.tensor(mean, device=images.device)
    x = ((images.float() - offset) / scale).permute(0, 3, 1, 2)
    if x.shape[-1] == size:
        return x
    resized = functional.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.contiguous(memory_format=torch.channels_last)
