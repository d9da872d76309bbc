"""The markers of charts: their shape says what their colour says, for those who see no colours and for grey paper."""

from typing import Literal

from ran_deploy.report.palette import GROUND

Shape = Literal["circle", "square", "diamond", "triangle"]
SHAPES: tuple[Shape, ...] = ("circle", "square", "diamond", "triangle")
_CORNERS: dict[Shape, tuple[tuple[float, float], ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
}
"""In units of the radius; all cover about the area of the circle."""


def marker(x: float, y: float, radius: float, colour: str, *, hollow: bool, shape: Shape) -> str:
    """Return a marker as SVG, centred at a point of the picture; a hollow one shows what is behind as the ground."""
    paint = f'fill="{GROUND}" stroke="{colour}" stroke-width="1.6"' if hollow else f'fill="{colour}"'
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {paint}/>'
    points = " ".join(f"{x + radius * right:.1f},{y + radius * down:.1f}" for right, down in _CORNERS[shape])
    return f'<polygon points="{points}" {paint}/>'
