"""What a benchmark feeds: several different batches in turn, so that no cache sees the same bytes each time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import find_images, load_images, to_engine_input
from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC, Contract

Buffers: TypeAlias = tuple[npt.NDArray[Any], ...]
"""Batches as the engine takes them."""

BUFFERS = 8
"""Batches that take turns."""
_BUFFERS_BYTES = 256 << 20
_LARGEST_BYTES = 1 << 30
_POOL_IMAGES = 512
_SEED = 20


def make_pool(contract: Contract, batches: Sequence[int], folder: Path | None) -> tuple[Images, str]:
    """Load or make the images to feed, at model size.

    Args:
        contract: The engine's contract.
        batches: All batch sizes that will be measured.
        folder: Real images, or one image; None: seeded random pixels.

    Returns:
        uint8 [count, size, size, 3], and a sentence about them.

    Raises:
        UsageError: A batch size is too large or not the one to which the engine is fixed, or no image is found.
        IntegrityError: A file is not an image.
    """
    fixed = contract.input.shape[0]
    for batch in batches:
        _check_memory(contract, batch)
        if fixed not in (DYNAMIC, batch):
            raise UsageError(f"The batch size is {batch}; this engine takes {fixed} only.", fix=f"Use --batch {fixed}")
    count, size = min(BUFFERS * max(batches), _POOL_IMAGES), contract.preprocessing.size
    if folder is None:
        pixels = np.random.default_rng(_SEED).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        return pixels, f"{count} images of random pixels (seed {_SEED})"
    paths = find_images([folder])[:count]
    return load_images(
        paths, contract.preprocessing
    ), f"{len(paths)} image{'s' if len(paths) > 1 else ''} from {folder}"


def make_buffers(contract: Contract, pool: Images, batch: int) -> Buffers:
    """Cut batches of ``batch`` images out of the pool, which is repeated where it is too small.

    Returns:
        2 to 8 batches, fewer where they are large.
    """
    first = _cut(contract, pool, batch, 0)
    count = max(2, min(BUFFERS, _BUFFERS_BYTES // first.nbytes))
    return (first, *(_cut(contract, pool, batch, start * batch) for start in range(1, count)))


def _check_memory(contract: Contract, batch: int) -> None:
    image_bytes = int(np.prod(contract.input.shape[1:])) * np.dtype(contract.input.dtype).itemsize
    if batch * image_bytes > _LARGEST_BYTES:
        raise UsageError(
            f"The batch size is {batch}, which makes {batch * image_bytes / 1e9:.1f} GB of input; "
            f"at most {_LARGEST_BYTES / 1e9:.1f} GB are allowed.",
            fix=f"Use a batch of at most {_LARGEST_BYTES // image_bytes}.",
        )


def _cut(contract: Contract, pool: Images, batch: int, start: int) -> npt.NDArray[Any]:
    return to_engine_input(pool[(np.arange(batch) + start) % len(pool)], contract)
