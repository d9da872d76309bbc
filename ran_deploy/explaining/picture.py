"""The picture of ``explain``: a row for each image, a group of columns for each stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ran_deploy.data.dataset import Images
from ran_deploy.explaining.attention import ImageAttention, Map, ModuleView, by_stage
from ran_deploy.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MASK_COLOURS = "inferno"
_FEATURE_COLOURS = "viridis"
_OVERLAY = 0.62
"""How much of a tile is the mask; the rest is the image in grey."""

# In inches.
_TILE, _GAP, _GROUP_GAP, _CAPTION, _EDGE = 0.98, 0.05, 0.24, 0.2, 0.16
_HEAD, _FOOT = 0.98, 0.52
_NARROWEST = 4.96
"""So wide that the notes fit; where there are few columns, their tiles are larger."""
_BOLD = 0.64
"""Mean width of a bold letter, by the size of the font."""
_LONGEST = 11
"""Characters of a label that fit below its image."""


def draw(images: Sequence[ImageAttention], path: Path, *, title: str) -> None:
    """Draw the masks over the images, and where known one channel of each stage before and after its mask.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    sheet = _Sheet(images, Figure)
    for row, image in enumerate(images):
        sheet.draw_row(row, image)
    sheet.draw_head(title, images[0])
    save_figure(sheet.figure, path, dpi=130)


def overlay(view: Images, mask: Map) -> npt.NDArray[np.float32]:
    """Return a mask, its own range stretched over the colours, over an image in grey: [S, S, 3], 0 to 1."""
    import matplotlib as mpl

    side = view.shape[0]
    smooth = Image.fromarray(_stretched(mask)).resize((side, side), Image.Resampling.BICUBIC)
    colours = mpl.colormaps[_MASK_COLOURS](np.clip(np.asarray(smooth), 0, 1))[..., :3]
    grey = view.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return np.asarray(_OVERLAY * colours + (1 - _OVERLAY) * grey[..., None], np.float32)


def _stretched(values: Map) -> Map:
    least, most = float(values.min()), float(values.max())
    return ((values - least) / (most - least) if most > least else np.zeros_like(values)).astype(np.float32)


class _Sheet:
    """Places tiles on a figure whose size follows from their number."""

    def __init__(self, images: Sequence[ImageAttention], figure: "type[Figure]") -> None:
        stages = by_stage(images[0].modules)
        columns = sum(len(_columns(modules)) for modules in stages.values())
        gaps = 2 * _EDGE + len(stages) * _GROUP_GAP + (columns - len(stages)) * _GAP
        self._side = max(_TILE, (_NARROWEST - gaps) / (1 + columns))
        self._left: dict[str, float] = {}  # left edge, in inches, of each column by its name
        self._groups: list[tuple[int, float, float]] = []  # stage, left and right edge
        left = _EDGE + self._side + _GROUP_GAP
        for stage, modules in stages.items():
            start = left
            for name in _columns(modules):
                self._left[name] = left
                left += self._side + _GAP
            self._groups.append((stage, start, left - _GAP))
            left += _GROUP_GAP - _GAP
        self.width = left - _GROUP_GAP + _EDGE
        self.height = _HEAD + len(images) * (self._side + _CAPTION + _GAP) + _FOOT
        self.figure = figure(figsize=(self.width, self.height))

    def draw_row(self, row: int, image: ImageAttention) -> None:
        """Draw one image, its masks and its features."""
        top = _HEAD + row * (self._side + _CAPTION + _GAP)
        best = image.top[0]
        self._tile(_EDGE, top, image.view, f"{_short(best.label)} {100 * best.probability:.0f}%", bold=True)
        for modules in by_stage(image.modules).values():
            for module in modules:
                caption = f"{module.mask.min():.2f} – {module.mask.max():.2f}"
                self._tile(self._left[module.name], top, overlay(image.view, module.mask), caption)
            last = modules[-1]
            if (channel := last.channel) is None:
                continue
            scale = (float(channel.before.min()), float(max(channel.before.max(), channel.after.max())))
            caption = f"{channel.mask.min():.2f} – {channel.mask.max():.2f}"
            self._tile(self._left[f"{last.name} T"], top, channel.before, f"channel {channel.channel}", scale=scale)
            self._tile(self._left[f"{last.name} M"], top, channel.mask, caption, colours=_MASK_COLOURS)
            self._tile(self._left[f"{last.name} H"], top, channel.after, "", scale=scale)

    def draw_head(self, title: str, image: ImageAttention) -> None:
        """Name the columns, and say below what the colours mean."""
        fitting = (self.width - 2 * _EDGE) * 72 / (_BOLD * max(1, len(title)))
        self._text(_EDGE, 0.3, title, size=min(11, fitting), weight="bold", ha="left")
        self._text(_EDGE + self._side / 2, _HEAD - 0.1, "image", size=8)
        stages = by_stage(image.modules)
        for stage, left, right in self._groups:
            height, width = stages[stage][0].mask.shape
            self._text((left + right) / 2, 0.62, f"stage {stage}, {height} × {width}", size=9, weight="bold")
            self._line(left, right, 0.7)
            for place, module in enumerate(stages[stage], start=1):
                self._text(self._left[module.name] + self._side / 2, _HEAD - 0.1, f"module {place}", size=8)
                for suffix, text in (("T", "features T"), ("M", "mask M"), ("H", "after M")):
                    if (left_edge := self._left.get(f"{module.name} {suffix}")) is not None:
                        self._text(left_edge + self._side / 2, _HEAD - 0.1, text, size=8)
        notes = ["Masks: mean over the channels, dark to bright between the two values below each."]
        if image.modules[0].channel is not None:
            notes.append(
                "T, M, after M: of each stage's last module, the one channel in which features and mask vary most."
            )
        for place, text in enumerate(notes):
            self._text(_EDGE, self.height - 0.34 + 0.17 * place, text, size=7.5, ha="left", color="#555555")

    def _tile(
        self,
        left: float,
        top: float,
        values: npt.NDArray[Any],
        caption: str,
        *,
        bold: bool = False,
        colours: str = _FEATURE_COLOURS,
        scale: tuple[float | None, float | None] = (None, None),
    ) -> None:
        axes = self.figure.add_axes(
            (left / self.width, 1 - (top + self._side) / self.height, self._side / self.width, self._side / self.height)
        )
        axes.imshow(values, interpolation="nearest", cmap=colours, vmin=scale[0], vmax=scale[1])
        axes.set_axis_off()
        weight = "bold" if bold else "normal"
        self._text(left + self._side / 2, top + self._side + 0.13, caption, size=8 if bold else 6.5, weight=weight)

    def _text(self, left: float, top: float, text: str, *, size: float, ha: str = "center", **style: Any) -> None:
        # Labels and file names may hold what matplotlib takes for formulas.
        style |= {"fontsize": size, "ha": ha, "va": "baseline", "parse_math": False}
        self.figure.text(left / self.width, 1 - top / self.height, text, **style)

    def _line(self, left: float, right: float, top: float) -> None:
        from matplotlib.lines import Line2D

        height = 1 - top / self.height
        self.figure.add_artist(
            Line2D((left / self.width, right / self.width), (height, height), color="#888888", lw=0.8)
        )


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _columns(modules: Sequence[ModuleView]) -> list[str]:
    """Return the names of a stage's columns: its masks, and where known its last module's features."""
    names = [module.name for module in modules]
    last = modules[-1]
    return names if last.channel is None else [*names, *(f"{last.name} {suffix}" for suffix in "TMH")]
