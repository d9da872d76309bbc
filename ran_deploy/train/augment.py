"""Augmentation on whole batches: colour jitter, a random crop, flip, and the progressive resolution."""

import numpy as np
import numpy.typing as npt
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


def _mirrored(rng: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
    return rng.random(count) < 0.5


def _padded_crop(images: Tensor, rng: np.random.Generator, padding: int, *, flip: bool) -> Tensor:
    count = len(images)
    if padding:
        starts = np.concatenate([rng.integers(0, 2 * padding + 1, (count, 1)) for _ in range(2)], axis=1)
        images = _cut(functional.pad(images, (0, 0, padding, padding, padding, padding)), starts, *images.shape[1:3])
    if flip:
        turned = torch.from_numpy(np.flatnonzero(_mirrored(rng, count))).to(images.device)
        images = images if padding else images.clone()
        images[turned] = images[turned].flip(2)
    return images


def _cut(images: Tensor, starts: npt.NDArray[np.int64], height: int, width: int) -> Tensor:
    """Cut a window out of each image, from its row and column in ``starts`` on: uint8 [N, height, width, 3]."""
    if images.device.type != "cpu":
        return _cut_by_index(images, starts, height, width)
    # Whole rows are copied, which takes a fifth of the time that an index for each pixel takes on a CPU.
    windows = zip(images, starts.tolist(), strict=True)
    return torch.stack([image[top : top + height, left : left + width] for image, (top, left) in windows])


def _cut_by_index(images: Tensor, starts: npt.NDArray[np.int64], height: int, width: int) -> Tensor:
    """As :func:`_cut`, in one kernel."""
    tops, lefts = torch.from_numpy(starts).to(images.device).T[:, :, None]
    rows, columns = tops + torch.arange(height, device=tops.device), lefts + torch.arange(width, device=tops.device)
    index = torch.arange(len(images), device=tops.device)[:, None, None]
    return images[index, rows[:, :, None], columns[:, None, :]]


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
        turned = torch.from_numpy(_mirrored(rng, count)).to(device)
        across = torch.where(turned[:, None], across.flip(1), across)
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
    x = images.permute(0, 3, 1, 2).contiguous().float()  # planes: arithmetic on threes of bytes is slow on a CPU
    x.mul_(brightness).clamp_(0, 255)
    mean = _grey(x).mean((2, 3), keepdim=True)
    x.sub_(mean).mul_(contrast).add_(mean).clamp_(0, 255)
    grey = _grey(x)
    x.sub_(grey).mul_(saturation).add_(grey)
    return _to_uint8(x).permute(0, 2, 3, 1).contiguous()


def _grey(planes: Tensor) -> Tensor:
    """Return the luma of float [N, 3, H, W], [N, 1, H, W]."""
    red, green, blue = planes[:, :1], planes[:, 1:2], planes[:, 2:]
    return (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])


def _to_uint8(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)


def to_input(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> Tensor:
    """Normalize uint8 [N, H, W, 3] to float32 [N, 3, size, size] in channels-last memory."""
    count, height, width, _ = images.shape
    # A row of pixels at a time: broadcasting over three channels takes several times as long on a CPU.
    scale, offset = (255 * torch.tensor(values, device=images.device).repeat(width) for values in (std, mean))
    rows = images.reshape(count, height, width * 3).float().sub_(offset).div_(scale)
    x = rows.view(count, height, width, 3).permute(0, 3, 1, 2)
    if x.shape[-1] == size:
        return x
    resized = functional.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.contiguous(memory_format=torch.channels_last)
