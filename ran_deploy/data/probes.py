"""The images that a model is tried on: real ones where given, else ones that exercise the whole range."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import find_images, load_images, to_engine_input
from ran_deploy.files import sha256_bytes, sha256_file
from ran_deploy.manifest import Contract

MOST_IMAGES = 64
_BATCH = 8
_SEED = 20170426


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Images to run a model on, read as they are needed."""

    contract: Contract
    files: tuple[Path, ...]
    """Image files; empty: generated images."""
    count: int

    @property
    def source(self) -> str:
        """What they are, for the manifest."""
        return "images" if self.files else "generated"

    def digest(self) -> str:
        """Return a SHA-256 over the content of every image, in order."""
        parts = [sha256_file(file) for file in self.files] or [f"generated {_SEED} {self.count}"]
        return sha256_bytes("\n".join(parts).encode())

    def batches(self, sizes: Sequence[int] = (_BATCH,)) -> Iterator[npt.NDArray[Any]]:
        """Yield what the model's input takes, in batches of the given sizes in turn."""
        rule = self.contract.preprocessing
        generated = None if self.files else generated_images(self.count, rule.size)
        start = 0
        for size in itertools.cycle(sizes):
            if start >= self.count:
                return
            part = slice(start, start + size)
            images = load_images(self.files[part], rule) if generated is None else generated[part]
            yield to_engine_input(images, self.contract)
            start += size


def probe_images(contract: Contract, samples: Path | None, *, most: int = MOST_IMAGES) -> Probes:
    """Choose the images: spread evenly over the folder ``samples``, or generated where it is None.

    Raises:
        UsageError: The folder does not exist or holds no image.
    """
    if samples is None:
        return Probes(contract=contract, files=(), count=most)
    found = find_images([samples])
    chosen = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    files = tuple(found[index] for index in chosen)
    return Probes(contract=contract, files=files, count=len(files))


def generated_images(count: int, size: int) -> Images:
    """Return black, white, gradients and checks, then smooth and white noise: uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(_SEED)
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    checks = (np.indices((size, size)).sum(axis=0) % 2 * 255).astype(np.uint8)
    planes = [np.zeros((size, size)), np.full((size, size), 255), np.tile(ramp, (size, 1)), np.tile(ramp, (size, 1)).T]
    structured = [np.repeat(plane[..., None], 3, axis=2) for plane in (*planes, checks, 255 - checks)]
    images = [plane.astype(np.uint8) for plane in structured[:count]]
    for index in range(count - len(images)):
        cell = (1, 4, 8)[index % 3]
        side = -(-size // cell)
        coarse = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        images.append(coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:size, :size])
    return np.stack(images)
