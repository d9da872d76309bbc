"""A small drawing board for charts: axes with round ticks, as inline SVG without anything from outside."""

import math
from collections.abc import Callable, Mapping, Sequence

from ran_deploy.report.axis import decades, number, ticks
from ran_deploy.report.drawing import picture
from ran_deploy.report.html import text as escape
from ran_deploy.report.marks import Shape, marker
from ran_deploy.report.palette import BLUE, SOFT

_WIDTH = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 14, 44
_LINE = 15
"""Pixels from one row of words to the next."""


class Chart:
    """One chart: set its ranges, add marks, ask for its text.

    Args:
        x: Lowest and highest value of the horizontal axis.
        y: The same of the vertical one.
        x_label: What the horizontal axis shows, with its unit.
        y_label: The same of the vertical one.
        title: What a screen reader says.
        about: What it says further: what the picture shows, in a sentence.
        x_names: Names for some values of the horizontal axis; None: round numbers.
        x_log: Whether the horizontal axis is logarithmic; its values are then above 0.
        height: Height of the picture, in pixels of its own; its width is 440.
    """

    def __init__(
        self,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str,
        y_label: str,
        title: str,
        about: str = "",
        x_names: Mapping[float, str] | None = None,
        x_log: bool = False,
        height: int = 240,
    ) -> None:
        self._x, self._y = _widened(x), _widened(y)
        self._log, self._height = x_log, height
        places = decades(*self._x) if x_log else ticks(*self._x, most=6)
        self._x_names = x_names or {value: number(value) for value in places}
        self._title, self._about = title, about
        self._marks: list[str] = []
        self._axes = [*self._grid(), *self._labels(x_label, y_label)]

    def x(self, value: float) -> float:
        """Return where a value lies on the horizontal axis; what is outside is put on the edge."""
        low, high = self._x
        limits, at = ((math.log(low), math.log(high)), math.log(max(value, low))) if self._log else (self._x, value)
        return _LEFT + _share(at, limits) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return where a value lies on the vertical axis; what is outside is put on the edge."""
        return self._height - _BOTTOM - _share(value, self._y) * (self._height - _TOP - _BOTTOM)

    def bar(self, low: float, high: float, height: float, colour: str = BLUE) -> None:
        """Draw a bar from 0 to ``height`` between two values of the horizontal axis."""
        left, right, top = self.x(low), self.x(high), self.y(height)
        width = max(right - left - 0.6, 0.6)
        self._marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{self.y(0) - top:.1f}" fill="{colour}"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str = BLUE, width: float = 1.6) -> None:
        """Draw a line through points."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self._marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def segment(
        self,
        first: tuple[float, float],
        second: tuple[float, float],
        colour: str,
        *,
        width: float = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a straight line between two points."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._marks.append(
            f'<line x1="{self.x(first[0]):.1f}" y1="{self.y(first[1]):.1f}" x2="{self.x(second[0]):.1f}" '
            f'y2="{self.y(second[1]):.1f}" stroke="{colour}" stroke-width="{width}"{dash}/>'
        )

    def dot(
        self,
        x: float,
        y: float,
        colour: str = BLUE,
        *,
        radius: float = 3.5,
        hollow: bool = False,
        shape: Shape = "circle",
    ) -> None:
        """Draw a marker."""
        self._marks.append(marker(self.x(x), self.y(y), radius, colour, hollow=hollow, shape=shape))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        colour: str = SOFT,
        anchor: str = "middle",
        up: float = 0,
        right: float = 0,
    ) -> None:
        """Write words at a point, ``up`` pixels above it and ``right`` pixels to the right."""
        self._marks.append(_words(self.x(x) + right, self.y(y) - up, words, anchor, colour))

    def rule(self, x: float, words: str, colour: str, *, row: int = 0) -> None:
        """Draw a dashed vertical line with its name beside it, in one of several rows."""
        low, high = self._y
        self.segment((x, low), (x, high), colour, dashed=True)
        at, right = self.x(x), self.x(x) > _WIDTH - 120
        anchor, shift = ("end", -4) if right else ("start", 4)
        self._marks.append(_words(at + shift, _TOP + 9 + _LINE * row, words, anchor, colour))

    def svg(self) -> str:
        """Return the chart as an ``<svg>`` element."""
        return picture(_WIDTH, self._height, [*self._axes, *self._marks], title=self._title, about=self._about)

    def _grid(self) -> list[str]:
        parts = []
        for value in ticks(*self._y):
            at = self.y(value)
            parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}" class="grid"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
        base = self._height - _BOTTOM
        for value, name in self._x_names.items():
            at = self.x(value)
            parts.append(f'<line x1="{at:.1f}" y1="{base}" x2="{at:.1f}" y2="{base + 4}" class="axis"/>')
            parts.append(f'<text x="{at:.1f}" y="{base + 17}" text-anchor="middle">{escape(name)}</text>')
        parts.append(f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" class="axis"/>')
        return parts

    def _labels(self, x_label: str, y_label: str) -> list[str]:
        middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + self._height - _BOTTOM) / 2
        return [
            f'<text x="{middle_x}" y="{self._height - 7}" text-anchor="middle" class="name">{escape(x_label)}</text>',
            f'<text x="13" y="{middle_y}" text-anchor="middle" class="name" '
            f'transform="rotate(-90 13 {middle_y})">{escape(y_label)}</text>',
        ]


def place_rules(chart: Chart, rules: Sequence[tuple[float, str, str]], keep: Callable[[float], bool]) -> None:
    """Draw several named vertical lines, their names in rows of their own."""
    for row, (x, words, colour) in enumerate(rule for rule in rules if keep(rule[0])):
        chart.rule(x, words, colour, row=row)


def _words(x: float, y: float, words: str, anchor: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" class="halo">{escape(words)}</text>'


def _share(value: float, limits: tuple[float, float]) -> float:
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return limits if high > low else (low, low + (abs(low) * 0.1 or 1.0))
