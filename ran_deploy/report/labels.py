"""Where the labels of points stand so that they cover neither one another nor the points."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]
_WIDE, _TALL = 22.0, 13.0
"""Room that a short label takes, in pixels."""
_MARKER = 6.5
# (right, up, anchor) from the point's centre, the best first.
_PLACES: tuple[tuple[float, float, str], ...] = (
    (9, -4, "start"),
    (-9, -4, "end"),
    (9, 8, "start"),
    (-9, 8, "end"),
    (9, -16, "start"),
    (-9, -16, "end"),
    (9, 20, "start"),
    (-9, 20, "end"),
    (9, -28, "start"),
    (-9, -28, "end"),
    (0, 34, "middle"),
    (0, -40, "middle"),
)


def place_labels(points: Sequence[tuple[float, float]]) -> list[tuple[float, float, str]]:
    """Return for each point, in pixels, how far right of it and above it its label stands, and its anchor.

    Each label in turn takes the place that covers least of the markers and of the labels before it.
    """
    taken: list[Box] = [(x - _MARKER, y - _MARKER, x + _MARKER, y + _MARKER) for x, y in points]
    chosen = []
    for x, y in points:
        boxes = [(_box(x, y, *place), place) for place in _PLACES]
        box, best = min(boxes, key=lambda entry: sum(_overlap(entry[0], other) for other in taken))
        taken.append(box)
        chosen.append(best)
    return chosen


def _box(x: float, y: float, right: float, up: float, anchor: str) -> Box:
    left = x + right - {"start": 0.0, "end": _WIDE, "middle": _WIDE / 2}[anchor]
    bottom = y - up
    return left, bottom - _TALL + 3, left + _WIDE, bottom + 3


def _overlap(a: Box, b: Box) -> float:
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0.0) * max(tall, 0.0)
