"""Where a network looks: the soft masks of its attention modules for some images, and what they do to features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.contract import mask_place
from ran_deploy.data.dataset import Images
from ran_deploy.data.decode import decode_image
from ran_deploy.data.preprocess import load_image, to_engine_input, to_model_size
from ran_deploy.errors import GateError
from ran_deploy.manifest import Preprocessing
from ran_deploy.runtime.predict import Guess, best_guesses
from ran_deploy.runtime.session import Logits, Session

Map = npt.NDArray[np.float32]
"""float32 [H, W]."""
VIEW_SIDE = 192
"""Images are shown with at least so many pixels, however small the network takes them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelView:
    """One channel of an attention module's features: before the mask, the mask, and after it."""

    channel: int
    before: Map
    mask: Map
    after: Map


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModuleView:
    """One attention module's soft mask for one image."""

    name: str
    """Such as "mask_stage2_1"."""
    mask: Map
    """The mean over the mask's channels: 0 to 1, or with channel attention -1 to 1."""
    channel: ChannelView | None
    """The channel whose mask has most to say; None where the engine gives means only."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageAttention:
    """One image, what the network takes it for, and where its modules look."""

    file: Path
    view: Images
    """What the network sees of it, perhaps in more pixels: uint8 [S, S, 3]."""
    top: tuple[Guess, ...]
    modules: tuple[ModuleView, ...]


def attend(session: Session, file: Path, top: int) -> ImageAttention:
    """Run one image and return its classes, masks and, from a checkpoint, features.

    Raises:
        UsageError: The engine gives no masks, or the file is missing or too large.
        IntegrityError: The file is not an image.
        GateError: The engine returned numbers that are not finite.
    """
    contract = session.contract
    images = load_image(file, contract.preprocessing)[None]
    batch = to_engine_input(images, contract)
    logits, modules = (_channels if session.info.runtime == "torch" else _means)(session, batch)
    maps = [view.mask for view in modules]
    if not all(np.isfinite(values).all() for values in (logits, *maps)):
        raise GateError(
            f"{session.info.engine} returned logits or masks that are not finite for {file}.",
            fix="Its numbers overflow: use the float32 engine.",
        )
    return ImageAttention(
        file=file,
        view=sharp_view(file, contract.preprocessing),
        top=best_guesses(logits, contract.labels, top)[0],
        modules=modules,
    )


def sharp_view(file: Path, rule: Preprocessing) -> Images:
    """Return the part of an image that the network sees, uint8 [S, S, 3], S at least :data:`VIEW_SIDE`."""
    factor = max(1, -(-VIEW_SIDE // rule.size))
    larger = replace(rule, size=rule.size * factor, resize=None if rule.resize is None else rule.resize * factor)
    return to_model_size(decode_image(file), larger)


def _means(session: Session, batch: npt.NDArray[Any]) -> tuple[Logits, tuple[ModuleView, ...]]:
    logits, masks = session.run_with_masks(batch)
    return logits, tuple(ModuleView(name=name, mask=mask[0], channel=None) for name, mask in masks.items())


def _channels(session: Session, batch: npt.NDArray[Any]) -> tuple[Logits, tuple[ModuleView, ...]]:
    from ran_deploy.runtime.torch_session import TorchSession  # imported by then: it is this session's

    assert isinstance(session, TorchSession)  # noqa: S101
    names = [spec.name for spec in session.masks]
    logits, modules = session.run_attended(batch)
    return logits, tuple(
        ModuleView(
            name=name,
            mask=each.mask[0].mean(axis=0),
            channel=_most_telling(each.before[0], each.mask[0], each.after[0]),
        )
        for name, each in zip(names, modules, strict=True)
    )


def _most_telling(before: Map, mask: Map, after: Map) -> ChannelView:
    """Choose, of [C, H, W], the channel in which features and mask vary most: there the mask changes the picture."""
    channel = int(np.argmax(before.std(axis=(1, 2)) * mask.std(axis=(1, 2))))
    return ChannelView(channel=channel, before=before[channel], mask=mask[channel], after=after[channel])


def by_stage(modules: Sequence[ModuleView]) -> dict[int, tuple[ModuleView, ...]]:
    """Return the modules of each stage, in order."""
    stages: dict[int, tuple[ModuleView, ...]] = {}
    for module in modules:
        stage, _ = mask_place(module.name)
        stages[stage] = (*stages.get(stage, ()), module)
    return stages
