"""A chart of bars, each on one line between its name and its number."""

from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.report.drawing import picture
from ran_deploy.report.html import text
from ran_deploy.report.palette import BLUE
from ran_deploy.report.words import shorten

_WIDTH = 440
_LEFT, _RIGHT, _TOP = 8, 12, 2
_ROW, _BAR = 22, 12
_FROM, _TO = 150, 308
"""Where bars begin and where the longest ends."""
_LETTERS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar."""

    name: str
    words: str
    """The number, as it is written beside the bar."""
    value: float
    """Its length; what is below 0 is drawn as 0."""
    colour: str = BLUE


def bar_chart(bars: Sequence[Bar], *, title: str, about: str = "") -> str:
    """Draw at least one bar as an ``<svg>`` element, the longest over the whole width that bars have.

    Args:
        bars: From top to bottom.
        title: What a screen reader says.
        about: What it says further.
    """
    longest = max(*(bar.value for bar in bars), 1e-12)
    parts = [f'<line x1="{_FROM}" y1="{_TOP}" x2="{_FROM}" y2="{_TOP + _ROW * len(bars)}" class="axis"/>']
    for place, bar in enumerate(bars):
        middle = _TOP + _ROW * (place + 0.5)
        width = (_TO - _FROM) * max(bar.value, 0.0) / longest
        name = text(shorten(bar.name, _LETTERS))
        parts += [
            f'<text x="{_LEFT}" y="{middle + 4}" class="name">{name}</text>',
            f'<rect x="{_FROM}" y="{middle - _BAR / 2}" width="{width:.1f}" height="{_BAR}" fill="{bar.colour}"/>',
            f'<text x="{_WIDTH - _RIGHT}" y="{middle + 4}" text-anchor="end" class="name">{text(bar.words)}</text>',
        ]
    return picture(_WIDTH, _TOP * 2 + _ROW * len(bars), parts, title=title, about=about)
