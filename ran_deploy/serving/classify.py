"""From encoded images to their likeliest classes, beside the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.preprocess import load_bytes, to_engine_input
from ran_deploy.errors import GateError, UsageError
from ran_deploy.manifest import Contract
from ran_deploy.runtime.predict import Guess, best_guesses
from ran_deploy.runtime.session import Logits
from ran_deploy.runtime.threads import usable_cpus
from ran_deploy.serving.errors import QueueFullError

FORMATS = ("JPEG", "PNG")
"""What clients may send: fewer formats, fewer decoders that strangers can reach."""


class Decoder:
    """Threads that decode images: as many as there are CPUs.

    Args:
        max_pixels: Larger images are refused before a pixel is decoded.
        most: How many images may be decoded or wait for it at the same time.
    """

    def __init__(self, *, max_pixels: int, most: int) -> None:
        self._max_pixels = max_pixels
        self._most = most
        self._pending = 0
        self._threads = ThreadPoolExecutor(max_workers=usable_cpus(), thread_name_prefix="ran-deploy-decode")

    async def decode(self, files: Sequence[bytes], contract: Contract) -> npt.NDArray[Any]:
        """Return what the engine's input takes, [N, ...], for the contents of N files.

        Raises:
            UsageError: There is no image, more than could ever be decoded at once, or one is too large.
            IntegrityError: One is truncated, or no JPEG or PNG file.
            QueueFullError: Too many images are being decoded.
        """
        count = len(files)
        if not 1 <= count <= self._most:
            raise UsageError(f"A request has {count} images; expected 1 to {self._most}.")
        if self._pending + count > self._most:
            raise QueueFullError(f"{self._pending} images are being decoded already.", fix="Try again later.")
        self._pending += count
        try:
            jobs = [self._job(data, contract, place, count) for place, data in enumerate(files)]
            images = await asyncio.gather(*jobs)
        finally:
            self._pending -= count
        return to_engine_input(np.stack(images), contract)

    def close(self) -> None:
        """End the threads once they have nothing to do."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _job(self, data: bytes, contract: Contract, place: int, count: int) -> "asyncio.Future[npt.NDArray[np.uint8]]":
        name = "the image" if count == 1 else f"image {place + 1} of {count}"
        job = self._threads.submit(
            load_bytes, data, contract.preprocessing, name, formats=FORMATS, max_pixels=self._max_pixels
        )
        return asyncio.wrap_future(job)


def likeliest(logits: Logits, labels: tuple[str, ...], top: int) -> tuple[tuple[Guess, ...], ...]:
    """Return the ``top`` likeliest classes of each row of logits.

    Raises:
        GateError: Some logits are not finite.
    """
    if not np.isfinite(logits).all():
        raise GateError("The engine returned logits that are not finite.", fix="Use the float32 engine.")
    return tuple(best_guesses(logits, labels, top))
