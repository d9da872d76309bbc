"""All memory that a plan needs, allocated once for its largest batch."""

import contextlib

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.manifest import TensorSpec


class TrtBuffers:
    """Pinned buffers on the host, and on the GPU the input, the output and the scratch memory of the contexts.

    Args:
        device: The GPU, whose context must be current.
        images: The input's contract.
        logits: The output's contract.
        most: The largest batch.
        scratch_bytes: What an execution context needs while it runs.

    Raises:
        MissingError: There is too little memory; nothing stays allocated then.
    """

    def __init__(
        self, device: CudaDevice, images: TensorSpec, logits: TensorSpec, *, most: int, scratch_bytes: int
    ) -> None:
        with contextlib.ExitStack() as undo:
            host_images = device.pinned_buffer(nbytes(images, most))
            undo.callback(host_images.free)
            host_logits = device.pinned_buffer(nbytes(logits, most))
            undo.callback(host_logits.free)
            gpu_images = device.device_buffer(nbytes(images, most))
            undo.callback(gpu_images.free)
            gpu_logits = device.device_buffer(nbytes(logits, most))
            undo.callback(gpu_logits.free)
            self.scratch = (0, 0)
            if scratch_bytes:
                scratch = device.device_buffer(scratch_bytes)
                undo.callback(scratch.free)
                self.scratch = (scratch.address, scratch_bytes)
            self._free = undo.pop_all()
        self.images_address, self.logits_address = gpu_images.address, gpu_logits.address
        self._host_images, self._host_logits = host_images, host_logits
        self._images, self._logits = images, logits

    def host_images(self, batch: int) -> npt.NDArray[np.uint8]:
        """Return the pinned bytes of the input of ``batch`` images."""
        return self._host_images.array[: nbytes(self._images, batch)]

    def host_logits(self, batch: int) -> npt.NDArray[np.uint8]:
        """Return the pinned bytes of the output of ``batch`` images."""
        return self._host_logits.array[: nbytes(self._logits, batch)]

    def free(self) -> None:
        """Give all of it back; a second time is harmless."""
        self._free.close()


def nbytes(spec: TensorSpec, batch: int) -> int:
    """Return the size of a batch in bytes."""
    return batch * int(np.prod(spec.shape[1:], dtype=np.int64)) * np.dtype(spec.dtype).itemsize
