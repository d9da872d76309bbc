"""Augmentation on whole batches: pad-and-crop, flip, and the progressive resolution."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, rng: np.random.Generator, *, padding: int, flip: bool) -> Tensor:
    """Crop each image at random out of its zero-padded self and mirror half of them.

    Args:
        images: uint8 [N, H, W, 3], on any device.
        rng: The only source of randomness, so that a resumed run draws the same.
        padding: Pixels of padding on each side.
        flip: Whether to mirror.

    Returns:
        uint8 [N, H, W, 3].
    """
    count, height, width, _ = images.shape
    device = images.device
    rows = torch.arange(height, device=device) + torch.from_numpy(rng.integers(0, 2 * padding + 1, (count, 1))).to(
        device
    )
    columns = torch.arange(width, device=device) + torch.from_numpy(rng.integers(0, 2 * padding + 1, (count, 1))).to(
        device
    )
    if flip:
        mirrored = torch.from_numpy(rng.random(count) < 0.5).to(device)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = functional.pad(images, (0, 0, padding, padding, padding, padding))
    index = torch.arange(count, device=device)[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]]


def to_input(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> Tensor:
    """Normalize uint8 [N, H, W, 3] to float32 [N, 3, size, size] in channels-last memory."""
    scale = 255 * torch.tensor(std, device=images.device)
    offset = 255 * torch.tensor(mean, device=images.device)
    x = ((images.float() - offset) / scale).permute(0, 3, 1, 2)
    if x.shape[-1] == size:
        return x
    resized = functional.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.contiguous(memory_format=torch.channels_last)
