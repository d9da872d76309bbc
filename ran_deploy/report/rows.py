"""A chart with one row for each thing: its name and number on one line, its interval below them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ran_deploy.report.axis import number, ticks
from ran_deploy.report.drawing import picture
from ran_deploy.report.html import text as escape
from ran_deploy.report.marks import Shape, marker
from ran_deploy.report.palette import BLUE, ORANGE
from ran_deploy.report.words import shorten

_WIDTH = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 12, 4, 46
_ROW = 38
_LIMIT = 16
"""Room above the rows for the name of a limit."""
_LETTERS = 58
"""As many of a name and its number fit on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row."""

    name: str
    words: str
    """The number, as it is written beside the name."""
    value: float
    interval: tuple[float, float] | None = None
    colour: str = BLUE
    shape: Shape = "circle"
    hollow: bool = False


def row_chart(
    rows: Sequence[Row],
    *,
    x: tuple[float, float],
    x_label: str,
    title: str,
    about: str = "",
    limit: tuple[float, str] | None = None,
) -> str:
    """Draw rows as an ``<svg>`` element.

    Args:
        rows: From top to bottom.
        x: Lowest and highest value of the axis.
        x_label: What the axis shows, with its unit.
        title: What a screen reader says.
        about: What it says further.
        limit: A value that a dashed line marks, and its name.
    """
    low, high = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
    top = _TOP + (_LIMIT if limit is not None else 0)
    height = top + _ROW * len(rows) + _BOTTOM
    base = height - _BOTTOM

    def at(value: float) -> float:
        return _LEFT + min(max((value - low) / (high - low), 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT)

    parts = []
    for value in ticks(low, high):
        place = at(value)
        parts.append(f'<line x1="{place:.1f}" y1="{top}" x2="{place:.1f}" y2="{base}" class="grid"/>')
        parts.append(f'<text x="{place:.1f}" y="{base + 16}" text-anchor="{_anchor(place)}">{number(value)}</text>')
    parts.append(f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" class="axis"/>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{height - 8}" text-anchor="middle" class="name">{escape(x_label)}</text>')
    if limit is not None:
        parts.append(_limit(at(limit[0]), base, limit[1]))
    for place, row in enumerate(rows):
        parts += _row(row, top + _ROW * place, at)
    return picture(_WIDTH, height, parts, title=title, about=about)


def _row(row: Row, top: float, at: Callable[[float], float]) -> list[str]:
    name = escape(shorten(row.name, _LETTERS - len(row.words)))
    parts = [
        f'<text x="{_LEFT}" y="{top + 15}" class="name halo">{name}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{top + 15}" text-anchor="end" class="name halo">{escape(row.words)}</text>',
    ]
    middle = top + 27
    if row.interval is not None:
        first, last = (at(value) for value in row.interval)
        parts.append(_stroke((first, middle), (last, middle), row.colour, 2.4))
        parts += [_stroke((end, middle - 4), (end, middle + 4), row.colour, 1.6) for end in (first, last)]
    parts.append(marker(at(row.value), middle, 4.5, row.colour, hollow=row.hollow, shape=row.shape))
    return parts


def _limit(place: float, base: float, words: str) -> str:
    anchor = _anchor(place)
    line = _stroke((place, _TOP + _LIMIT), (place, base), ORANGE, 1.6, ' stroke-dasharray="5 3"')
    return (
        f'{line}<text x="{place:.1f}" y="{_TOP + 11}" text-anchor="{anchor}" fill="{ORANGE}" class="halo">'
        f"{escape(words)}</text>"
    )


def _stroke(start: tuple[float, float], end: tuple[float, float], colour: str, width: float, more: str = "") -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{more}/>'


def _anchor(place: float) -> str:
    """Return on which side of a place words must stand to stay within the picture."""
    return "start" if place < 60 else "end" if place > _WIDTH - 60 else "middle"
