"""A small drawing board for charts: linear axes with round ticks, as inline SVG without anything from outside."""

import html
from collections.abc import Callable, Mapping, Sequence

from ran_deploy.bench.report_axis import number, ticks

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#5b6570"
"""Okabe and Ito's palette, which colour-blind people tell apart."""
_WIDTH, _HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 42


class Chart:
    """One chart: set its ranges, add marks, ask for its text.

    Args:
        x: Lowest and highest value of the horizontal axis.
        y: The same of the vertical one.
        x_label: What the horizontal axis shows, with its unit.
        y_label: The same of the vertical one.
        title: What a screen reader says.
        x_names: Names for some values of the horizontal axis; None: round numbers.
    """

    def __init__(
        self,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str,
        y_label: str,
        title: str,
        x_names: Mapping[float, str] | None = None,
    ) -> None:
        self._x, self._y = _widened(x), _widened(y)
        self._x_names = x_names or {value: number(value) for value in ticks(*self._x, most=6)}
        self._title = title
        self._marks: list[str] = []
        self._axes = [*self._grid(), *self._labels(x_label, y_label)]

    def x(self, value: float) -> float:
        """Return where a value lies on the horizontal axis; what is outside is put on the edge."""
        return _LEFT + _share(value, self._x) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return where a value lies on the vertical axis; what is outside is put on the edge."""
        return _HEIGHT - _BOTTOM - _share(value, self._y) * (_HEIGHT - _TOP - _BOTTOM)

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

    def dot(self, x: float, y: float, colour: str = BLUE, *, radius: float = 3.5, hollow: bool = False) -> None:
        """Draw a dot."""
        fill = f'fill="#fff" stroke="{colour}" stroke-width="1.6"' if hollow else f'fill="{colour}"'
        self._marks.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius}" {fill}/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        colour: str = GREY,
        anchor: str = "middle",
        up: float = 0,
        right: float = 0,
    ) -> None:
        """Write words at a point, ``up`` pixels above it and ``right`` pixels to the right."""
        self._marks.append(
            f'<text x="{self.x(x) + right:.1f}" y="{self.y(y) - up:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'class="halo">{html.escape(words)}</text>'
        )

    def rule(self, x: float, words: str, colour: str, *, row: int = 0) -> None:
        """Draw a dashed vertical line with its name beside it, in one of several rows."""
        low, high = self._y
        self.segment((x, low), (x, high), colour, dashed=True)
        at, right = self.x(x), self.x(x) > _WIDTH - 110
        anchor, shift = ("end", -4) if right else ("start", 4)
        self._marks.append(
            f'<text x="{at + shift:.1f}" y="{_TOP + 9 + 13 * row}" text-anchor="{anchor}" fill="{colour}" '
            f'class="halo">{html.escape(words)}</text>'
        )

    def svg(self) -> str:
        """Return the chart as an ``<svg>`` element."""
        title = html.escape(self._title)
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
            f"{''.join(self._axes)}{''.join(self._marks)}</svg>"
        )

    def _grid(self) -> list[str]:
        parts = []
        for value in ticks(*self._y):
            at = self.y(value)
            parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}" class="grid"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
        base = _HEIGHT - _BOTTOM
        for value, name in self._x_names.items():
            at = self.x(value)
            parts.append(f'<line x1="{at:.1f}" y1="{base}" x2="{at:.1f}" y2="{base + 4}" class="axis"/>')
            parts.append(f'<text x="{at:.1f}" y="{base + 16}" text-anchor="middle">{html.escape(name)}</text>')
        parts.append(f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" class="axis"/>')
        return parts

    def _labels(self, x_label: str, y_label: str) -> list[str]:
        middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
        return [
            f'<text x="{middle_x}" y="{_HEIGHT - 8}" text-anchor="middle" class="name">{html.escape(x_label)}</text>',
            f'<text x="13" y="{middle_y}" text-anchor="middle" class="name" '
            f'transform="rotate(-90 13 {middle_y})">{html.escape(y_label)}</text>',
        ]


def place_rules(chart: Chart, rules: Sequence[tuple[float, str, str]], keep: Callable[[float], bool]) -> None:
    """Draw several named vertical lines, their names in rows of their own."""
    for row, (x, words, colour) in enumerate(rule for rule in rules if keep(rule[0])):
        chart.rule(x, words, colour, row=row)


def _share(value: float, limits: tuple[float, float]) -> float:
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return limits if high > low else (low, low + (abs(low) * 0.1 or 1.0))
