"""A generated data set of ten shapes and patterns, for demos and tests without a download.

Every image is a figure in a random colour on a background of another colour, at a random place, scale and
tilt, under noise; a small network learns it in a few hundred steps. The bytes are the same on every machine:
they come from the raw stream of PCG64, which numpy keeps stable, through arithmetic that IEEE 754 rounds in
one way only (no transcendental functions, no matrix products).
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.dataset import ArrayDataset, Images, Split, Targets

TRAIN_COUNT = 4000
TEST_COUNT = 1000
_SEEDS: dict[Split, int] = {"train": 92, "test": 56}
_SIDE = 32
_NOISE = 24
"""Largest deviation of a pixel from its colour, in grey levels."""
_CONTRAST = 80
"""Smallest difference of figure and background in each channel, in grey levels."""

_Reals: TypeAlias = npt.NDArray[np.float32]


def make_synthetic(split: Split, count: int | None = None) -> ArrayDataset:
    """Generate a split of the synthetic data set, in well under a second for the usual sizes.

    Args:
        split: "train" or "test": other images of the same kind.
        count: Number of images, spread evenly over the classes; by default 4,000 to train and 1,000 to test.
    """
    info = dataset_info("synthetic")
    total = count if count is not None else (TRAIN_COUNT if split == "train" else TEST_COUNT)
    stream = np.random.PCG64(_SEEDS[split])
    order = np.argsort(stream.random_raw(total), kind="stable")
    targets: Targets = (order % info.classes).astype(np.int64)
    images: Images = np.empty((total, _SIDE, _SIDE, 3), dtype=np.uint8)
    for label, name in enumerate(info.labels):
        members = np.flatnonzero(targets == label)
        images[members] = _draw(name, len(members), stream)
    return ArrayDataset(info, split, info.labels, images, targets)


def _uniform(stream: np.random.PCG64, low: float, high: float, *shape: int) -> _Reals:
    """Return reals in [low, high), from 24 bits of the stream each, so that float32 holds them exactly."""
    bits = stream.random_raw(int(np.prod(shape))).reshape(shape) >> np.uint64(40)
    unit = bits.astype(np.float32) / np.float32(1 << 24)
    return np.float32(low) + unit * np.float32(high - low)


def _draw(name: str, count: int, stream: np.random.PCG64) -> Images:
    """Draw ``count`` images of the class ``name``: uint8 [count, 32, 32, 3]."""
    coverage = np.clip(_figure(name, count, stream) + np.float32(0.5), 0, 1)[..., None]
    background = _uniform(stream, 0, 256, count, 1, 1, 3)
    # Channels wrap around, so that the figure may be lighter or darker, but differs by _CONTRAST at least.
    figure = np.mod(background + _uniform(stream, _CONTRAST, 256 - _CONTRAST, count, 1, 1, 3), np.float32(256))
    noise = (
        stream.random_raw(count * _SIDE * _SIDE * 3 // 8).astype("<u8").view(np.uint8).reshape(count, _SIDE, _SIDE, 3)
    )
    deviation = (noise.astype(np.float32) - np.float32(127.5)) * np.float32(_NOISE / 127.5)
    pixels = background + (figure - background) * coverage + deviation
    image: Images = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return image


def _figure(name: str, count: int, stream: np.random.PCG64) -> _Reals:
    """Return the signed distance to the figure's edge, in pixels, positive inside: [count, 32, 32]."""
    x, y = _coordinates(count, stream)
    if name in ("stripes-h", "stripes-v", "stripes-d", "checks", "dots"):
        return _pattern(name, x, y, _uniform(stream, 6, 10, count, 1, 1), stream)
    return _shape(name, x, y, _uniform(stream, 7, 12, count, 1, 1))


def _shape(name: str, x: _Reals, y: _Reals, radius: _Reals) -> _Reals:
    width, height = np.abs(x), np.abs(y)
    distance = np.sqrt(x * x + y * y)
    inside: _Reals
    if name == "disc":
        inside = radius - distance
    elif name == "square":
        inside = radius * np.float32(0.85) - np.maximum(width, height)
    elif name == "triangle":
        sides = width * np.float32(0.866) - y * np.float32(0.5)
        inside = radius * np.float32(0.6) - np.maximum(sides, y)
    elif name == "cross":
        arm = radius * np.float32(0.3)
        inside = np.maximum(np.minimum(radius - width, arm - height), np.minimum(arm - width, radius - height))
    else:  # a ring
        inside = radius * np.float32(0.2) - np.abs(distance - radius * np.float32(0.8))
    return inside


def _pattern(name: str, x: _Reals, y: _Reals, period: _Reals, stream: np.random.PCG64) -> _Reals:
    inside: _Reals
    if name == "stripes-h":
        inside = _wave(y, period)
    elif name == "stripes-v":
        inside = _wave(x, period)
    elif name == "stripes-d":
        # Both diagonals belong to the class, so that mirrored images keep their label.
        slope = np.where(stream.random_raw(len(x)) >> np.uint64(63), 1, -1).astype(np.float32)[:, None, None]
        inside = _wave((x + slope * y) * np.float32(0.7071), period)
    elif name == "checks":
        across, down = _wave(x, period), _wave(y, period)
        inside = np.minimum(np.abs(across), np.abs(down)) * np.sign(across) * np.sign(down)
    else:  # dots
        cell_x = np.mod(x, period) - period * np.float32(0.5)
        cell_y = np.mod(y, period) - period * np.float32(0.5)
        inside = period * np.float32(0.3) - np.sqrt(cell_x * cell_x + cell_y * cell_y)
    return inside


def _wave(position: _Reals, period: _Reals) -> _Reals:
    """Return the signed distance to the edges of stripes that are half a period wide."""
    inside: _Reals = np.abs(np.mod(position, period) - period * np.float32(0.5)) - period * np.float32(0.25)
    return inside


def _coordinates(count: int, stream: np.random.PCG64) -> tuple[_Reals, _Reals]:
    """Return x and y of every pixel in the figure's own frame: moved and tilted at random, [count, 32, 32] each."""
    grid = np.arange(_SIDE, dtype=np.float32) - np.float32((_SIDE - 1) / 2)
    x = grid[None, None, :] - _uniform(stream, -4, 4, count, 1, 1)
    y = grid[None, :, None] - _uniform(stream, -4, 4, count, 1, 1)
    # Half the angle's tangent gives its cosine and sine by arithmetic alone; at most 11 degrees.
    tangent = _uniform(stream, -0.1, 0.1, count, 1, 1)
    cosine = (1 - tangent * tangent) / (1 + tangent * tangent)
    sine = 2 * tangent / (1 + tangent * tangent)
    return cosine * x + sine * y, cosine * y - sine * x
