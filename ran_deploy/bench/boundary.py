"""What the clock covers: one synchronous run of the engine, or all from encoded images to classes."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from PIL import Image

from ran_deploy.bench.inputs import BUFFERS, make_buffers
from ran_deploy.data.dataset import Images
from ran_deploy.data.decode import FORMATS
from ran_deploy.data.preprocess import find_images, load_image, to_engine_input, to_model_size
from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract
from ran_deploy.resources import models_folder
from ran_deploy.runtime.predict import best_guesses
from ran_deploy.runtime.session import Session

Payload = TypeVar("Payload")
_ENCODED_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Timed(Generic[Payload]):
    """Something to time: a call, and the payloads to call it with in turn."""

    run: Callable[[Payload], Any]
    payloads: Sequence[Payload]


def describe(boundary: str, contract: Contract) -> str:
    """Say in a sentence what the clock covers at a boundary: "engine", "end-to-end" or "device"."""
    if boundary == "engine":
        return f"host: one synchronous run() call, {contract.input.dtype} batch in, float32 logits out"
    if boundary == "device":
        return "device: from the first kernel to the last by the device's own clock, transfers excluded"
    return "end to end: encoded images in memory in, decoding and preprocessing included, most likely class out"


def engine_call(session: Session, pool: Images, batch: int) -> Timed[Any]:
    """Return the call at the boundary "engine": transfers included, decoding excluded."""
    return Timed(session.run, make_buffers(session.contract, pool, batch))


def end_to_end_call(session: Session, encoded: Sequence[bytes], batch: int) -> Timed[list[bytes]]:
    """Return the call at the boundary "end-to-end": decode, resize, crop, run, softmax and the likeliest class."""
    contract = session.contract

    def run(images: list[bytes]) -> list[str]:
        pixels: Images = np.stack([_decoded(image, contract) for image in images])
        logits = session.run(to_engine_input(pixels, contract))
        return [best.label for (best,) in best_guesses(logits, contract.labels, 1)]

    count = len(encoded)
    payloads = [[encoded[(start * batch + place) % count] for place in range(batch)] for start in range(BUFFERS)]
    return Timed(run, payloads)


def _decoded(image: bytes, contract: Contract) -> Images:
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        return to_model_size(opened, contract.preprocessing)


def read_encoded(contract: Contract, folder: Path | None) -> list[bytes]:
    """Read up to 64 image files as they are, each checked once by decoding it.

    Raises:
        UsageError: There is no folder, or no image in it.
        IntegrityError: A file is not an image.
    """
    if folder is None:
        raise UsageError(
            "The boundary end-to-end decodes real images, and random pixels would not decode like them.",
            fix=f"Add --images FOLDER with images such as the service will get; try {models_folder() / 'samples'}",
        )
    paths = find_images([folder])[:_ENCODED_IMAGES]
    for path in paths:
        load_image(path, contract.preprocessing)
    return [path.read_bytes() for path in paths]


def device_milliseconds(session: Session) -> Callable[[Any], float] | None:
    """Return what runs a batch and tells the device's own time in milliseconds; None if the session cannot tell.

    A session offers it by a method ``run_timed(images) -> (logits, device_ms)``.
    """
    run_timed = getattr(session, "run_timed", None)
    if run_timed is None:
        return None
    return lambda images: float(run_timed(images)[1])


BoundaryName = Literal["engine", "end-to-end", "device"]
