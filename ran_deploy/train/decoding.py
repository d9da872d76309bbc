"""Image files decoded by threads, into batches that are on the device when they are asked for."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ran_deploy.data.crops import Crops
from ran_deploy.data.image_folder import DECODERS, FolderDataset


class Images:
    """A batch that is being decoded.

    Args:
        pixels: uint8 [n, H, W, 3] in the host's memory, filled by ``tasks``.
        tasks: One for each image that has to be decoded.
        device: Where the batch is to be.
    """

    def __init__(self, pixels: Tensor, tasks: list[Future[None]], device: torch.device) -> None:
        self._pixels, self._tasks, self._device = pixels, tasks, device

    def wait(self) -> Tensor:
        """Return the batch on the device, once all of it is decoded.

        Raises:
            IntegrityError: The first image, in the order of the batch, whose file is corrupt or gone.
        """
        for task in self._tasks:
            task.result()
        return self._pixels.to(self._device, non_blocking=True)

    def cancel(self) -> None:
        """Drop what no thread has begun."""
        for task in self._tasks:
            task.cancel()


class Decoder:
    """Decodes the images of a folder, once or whenever they are asked for.

    Args:
        dataset: The folder.
        device: Where batches are to be.
        memory_bytes: Images are kept where all of them, at model size, take no more than this.
    """

    def __init__(self, dataset: FolderDataset, device: torch.device, memory_bytes: int) -> None:
        self._dataset, self._device = dataset, device
        self._shape = (dataset.info.size, dataset.info.size, 3)
        # Pillow decodes and resizes without the interpreter lock, so threads are enough.
        self._pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self._kept: npt.NDArray[np.uint8] | None = None
        if len(dataset) * int(np.prod(self._shape)) <= memory_bytes:
            # The system gives the memory page by page, as images arrive.
            self._kept = np.empty((len(dataset), *self._shape), dtype=np.uint8)
        self._known = np.zeros(len(dataset), dtype=bool)

    def close(self) -> None:
        """End the threads, once the images that they are at are decoded; what they have not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, indices: npt.NDArray[np.int64], crops: Crops | None = None) -> Images:
        """Start to decode the images at ``indices``, whole and as preprocessing has them, or a rectangle of each."""
        pixels = torch.empty((len(indices), *self._shape), dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        batch = pixels.numpy()

        def whole(place: int, index: int) -> None:
            batch[place] = self._whole(index)

        def rectangle(place: int, index: int, crop: Crops) -> None:
            batch[place] = self._dataset.load_crop(index, crop)

        if crops is not None:
            tasks = [
                self._pool.submit(rectangle, place, int(index), crops[place]) for place, index in enumerate(indices)
            ]
        else:
            known = self._known[indices]
            if self._kept is not None:
                batch[known] = self._kept[indices[known]]
            tasks = [self._pool.submit(whole, int(place), int(indices[place])) for place in np.flatnonzero(~known)]
        return Images(pixels, tasks, self._device)

    def _whole(self, index: int) -> npt.NDArray[np.uint8]:
        image = self._dataset.load(index)
        if self._kept is not None:
            self._kept[index] = image
            self._known[index] = True
        return image
