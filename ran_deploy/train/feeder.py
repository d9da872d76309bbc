"""The images of a training's steps, ready before they are asked for."""

from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ran_deploy.data.crops import draw_crops
from ran_deploy.data.dataset import Dataset
from ran_deploy.data.image_folder import FolderDataset
from ran_deploy.train.decoding import Decoder, Images
from ran_deploy.train.recipe import Recipe

Indices: TypeAlias = npt.NDArray[np.int64]

MEMORY_BYTES = 2 << 30
"""Folders whose images at model size take no more than this are decoded once; Tiny ImageNet takes 1.2 GB."""
_AHEAD = 2
"""Steps whose images are decoded while an earlier one is computed."""
_GPU_SHARE = 0.5
"""Part of a GPU's free memory that the pixels of a data set may take."""


class Feeder:
    """Hands out the uint8 images of one step after the other, on the device that trains.

    - A data set in memory is copied to the GPU once, where it fits, and indexed there.
    - A folder whose files have the model's size (Tiny ImageNet) is decoded as its images are first asked for, and
      kept in memory where all of it fits into ``memory_bytes``.
    - Any other folder (ImageNet) is decoded for every step. With ``resized_crop``, the rectangle is taken from the
      file at its own size, never from its centre crop; it is drawn from (seed, step, place in the batch).

    Decoding runs :data:`_AHEAD` steps ahead, in threads. What a step gets depends on its number, its indices and the
    recipe alone, so that a resumed run sees what an uninterrupted one sees. A context manager: its end stops the
    threads, after a Ctrl-C or an error too, at the cost of the images that are being decoded at that moment.

    Usage::

        with Feeder(dataset, recipe, device) as feeder:
            for images in feeder.steps((step, order_of(step)) for step in range(first, last)):
                images = augment(images, rng, feeder.recipe)

    Args:
        dataset: The training split.
        recipe: Its ``seed``, ``resized_crop`` and ``aspect`` are used.
        device: Where the images are to be.
        memory_bytes: Largest size of a decoded folder that is kept.
    """

    recipe: Recipe
    """The recipe without what reading the files has done already: what ``augment`` is to be given."""

    def __init__(
        self, dataset: Dataset, recipe: Recipe, device: torch.device, *, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self.recipe = recipe
        self._dataset, self._given, self._device = dataset, recipe, device
        self._pixels: Tensor | None = None
        self._decoder: Decoder | None = None
        if isinstance(dataset, FolderDataset):
            self._decoder = Decoder(dataset, device, memory_bytes)
            if recipe.resized_crop is not None and dataset.info.resize is not None:
                self.recipe = replace(recipe, resized_crop=None, crop_padding=0)
        elif device.type == "cuda" and _size_bytes(dataset) <= _GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            self._pixels = torch.from_numpy(dataset.batch(np.arange(len(dataset)))).to(device)

    def __enter__(self) -> Self:
        """Start; threads begin with the first step."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; images that nobody will ask for any more are not decoded."""
        if self._decoder is not None:
            self._decoder.close()

    def steps(self, batches: Iterable[tuple[int, Indices]], own: Indices | None = None) -> Generator[Tensor]:
        """Yield the images of each step, uint8 [n, H, W, 3] on the device.

        Args:
            batches: Number and images of each step. They are asked for some steps ahead of what is yielded, so they
                must not depend on what the training does.
            own: Yield only the images at these places of each batch, as they would be in the whole of it: for
                processes that share a batch; None: all.

        Raises:
            IntegrityError: A file is corrupt or gone; the message names it. Raised at the step that it belongs to.
        """
        if self._decoder is None:
            for _, indices in batches:
                yield self.batch(indices if own is None else indices[own])
            return
        waiting: deque[Images] = deque()
        try:
            for step, indices in batches:
                waiting.append(self._begin(self._decoder, step, indices, own))
                if len(waiting) > _AHEAD:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            for images in waiting:
                images.cancel()

    def batch(self, indices: Indices) -> Tensor:
        """Return the images at ``indices`` as they are, for validation: uint8 [n, H, W, 3] on the device.

        Raises:
            IntegrityError: A file is corrupt or gone; the message names it.
        """
        if self._decoder is not None:
            return self._decoder.begin(indices).wait()
        if self._pixels is not None:
            return self._pixels[torch.from_numpy(indices).to(self._device)]
        return torch.from_numpy(self._dataset.batch(indices)).to(self._device)

    def _begin(self, decoder: Decoder, step: int, indices: Indices, own: Indices | None) -> Images:
        recipe, places = self._given, np.arange(len(indices)) if own is None else own
        if recipe.resized_crop is None or self.recipe is recipe:
            return decoder.begin(indices[places])
        rng = np.random.default_rng((recipe.seed, 2, step))
        crops = draw_crops(rng, len(indices), recipe.resized_crop, recipe.aspect)
        return decoder.begin(indices[places], crops.at(places))


def _first(waiting: deque[Images]) -> Tensor:
    images = waiting[0].wait()
    waiting.popleft()  # only now, so that what is left of it is dropped if a file is corrupt
    return images


def _size_bytes(dataset: Dataset) -> int:
    return len(dataset) * dataset.info.size**2 * 3
