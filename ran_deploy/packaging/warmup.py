"""What Triton runs before it calls a model ready: real images, as the raw bytes of the engine's input.

Zeros would do for the kernels, but not for what follows the data: caches, ranges that overflow, and denormal numbers.
Triton sends a warm-up of batch size N as N requests of one image, all with the bytes at the file's beginning
(GenerateWarmupData in its core), so each file holds one image, and each size gets another of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.data.preprocess import find_images, load_images, to_engine_input
from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC, Contract
from ran_deploy.packaging.triton_choice import TritonChoice
from ran_deploy.resources import models_folder

WARMUP_FOLDER = "warmup"
"""Where Triton looks for the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """One run before the model is ready."""

    name: str
    batch: int
    """Number of requests that are run together."""
    dims: tuple[int, ...]
    """Shape of each request's input, without the batch where Triton batches."""
    file: str
    content: bytes


def make_warmups(contract: Contract, choice: TritonChoice, samples: Sequence[Path] | None) -> tuple[Warmup, ...]:
    """Return the warm-ups of a model: one for each batch size that matters.

    Args:
        contract: The engine's.
        choice: How it is served.
        samples: Image files, or folders that are searched; None: the images that ship with the project.

    Raises:
        UsageError: There is no image, or one cannot be used.
        IntegrityError: A file is not an image.
    """
    files = find_images(samples if samples is not None else [_shipped()])
    shape = contract.input.shape
    if choice.max_batch == 0:
        count = 1 if shape[0] == DYNAMIC else shape[0]
        images = [files[place % len(files)] for place in range(count)]
        return (_warmup(contract, images, name=f"batch{count}", batch=1, dims=(count, *shape[1:])),)
    sizes = sorted({1, *choice.preferred, choice.max_batch})
    return tuple(
        _warmup(contract, [files[place % len(files)]], name=f"batch{size}", batch=size, dims=shape[1:])
        for place, size in enumerate(sizes)
    )


def _warmup(contract: Contract, images: list[Path], *, name: str, batch: int, dims: tuple[int, ...]) -> Warmup:
    inputs = to_engine_input(load_images(images, contract.preprocessing), contract)
    content = inputs.astype(inputs.dtype.newbyteorder("<"), copy=False).tobytes()
    return Warmup(name=name, batch=batch, dims=dims, file=f"{name}.raw", content=content)


def _shipped() -> Path:
    folder = models_folder() / "samples"
    if not folder.is_dir():
        raise UsageError("The sample images are not in this installation.", fix="Give images with --samples.")
    return folder
