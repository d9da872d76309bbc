"""The soft masks of a served model's engine for one image: what the page draws over it.

The workers that serve requests compute logits only. To look at masks, the engine is opened once more, in a thread of
the server, when somebody asks for the first time; it competes with the workers for the CPU, not for their queue.
"""

import asyncio
import base64
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ran_deploy.data.contract import mask_place
from ran_deploy.data.preprocess import load_bytes, to_engine_input
from ran_deploy.errors import GateError
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session
from ran_deploy.serving.errors import QueueFullError, UnavailableError
from ran_deploy.serving.results import ModelMetadata

MOST_WAITING = 16
"""Images that wait to be looked at; more are refused."""
HOW_TO = (
    "This engine gives no attention masks. To see them, export the network with `ran-deploy export --with-masks` and "
    "serve that file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPicture:
    """One attention module's soft mask as a small grey picture."""

    name: str
    """Such as "mask_stage2_1"."""
    stage: int
    module: int
    height: int
    width: int
    least: float
    """The mask's value where the picture is black."""
    most: float
    """The mask's value where the picture is white."""
    png: str
    """PNG, 8 bits grey, height × width pixels, in base64."""


def has_masks(model: ModelMetadata) -> bool:
    """Return whether a model's engine gives masks: an ONNX file exported with them, or any checkpoint."""
    return bool(model.contract.masks) or model.info.runtime == "torch"


class MaskReader:
    """Opens engines to look at their masks; the one that was asked for last stays open."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ran-deploy-masks")
        self._session: Session | None = None
        self._waiting = 0

    async def read(self, model: ModelMetadata, image: bytes) -> tuple[MaskPicture, ...]:
        """Return the masks of an image file; none for an engine that gives none.

        Args:
            model: A model that has masks, or not.
            image: The content of an image file that the model has classified, so that its size is known to be fit.

        Raises:
            QueueFullError: Too many wait.
            UnavailableError: The engine's file is no longer the one that is served.
            GateError: The masks are not finite.
            RanDeployError: The engine cannot be opened.
        """
        if not has_masks(model):
            return ()
        if self._waiting >= MOST_WAITING:
            raise QueueFullError("Too many images wait for their attention masks.", fix="Ask again later.")
        self._waiting += 1
        work = self._thread.submit(self._read, model, image)
        work.add_done_callback(lambda _: self._leave())
        return await asyncio.wrap_future(work)

    def _leave(self) -> None:
        self._waiting -= 1

    def _read(self, model: ModelMetadata, image: bytes) -> tuple[MaskPicture, ...]:
        session = self._opened(model)
        pixels = load_bytes(image, session.contract.preprocessing, "the image")
        _, masks = session.run_with_masks(to_engine_input(pixels[None], session.contract))
        return tuple(_picture(name, mask[0]) for name, mask in masks.items())

    def _opened(self, model: ModelMetadata) -> Session:
        if self._session is not None:
            if self._session.info.sha256 == model.sha256:
                return self._session
            self._session.close()
            self._session = None
        session = open_engine(
            model.info.engine,
            trust=model.manifest is None,
            # One thread, so that requests are hardly disturbed. PyTorch has one number for the whole process, which
            # may be serving in it: that stays as it is.
            threads=None if model.info.runtime == "torch" else 1,
            runtime=_runtime(model),
        )
        if session.info.sha256 != model.sha256:
            session.close()
            raise UnavailableError(
                f"The file of {model.name} is no longer the one that is served.", fix="Load the model again."
            )
        self._session = session
        return session


def _runtime(model: ModelMetadata) -> Runtime:
    return "openvino" if model.info.runtime == "openvino" else "auto"


def _picture(name: str, mask: npt.NDArray[np.float32]) -> MaskPicture:
    if not np.isfinite(mask).all():
        raise GateError("The masks of this image are not finite.", fix="Serve the float32 engine.")
    least, most = float(mask.min()), float(mask.max())
    levels = np.zeros(mask.shape, np.uint8)
    if most > least:
        levels = np.rint((mask - least) * (255 / (most - least))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    stage, module = mask_place(name)
    return MaskPicture(
        name=name,
        stage=stage,
        module=module,
        height=mask.shape[0],
        width=mask.shape[1],
        least=least,
        most=most,
        png=base64.b64encode(buffer.getvalue()).decode(),
    )
