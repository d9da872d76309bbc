"""The key of a Pareto picture: what the numbers, colours and markers of its points mean."""

from typing import TYPE_CHECKING, Any

from ran_deploy.bench.pareto_result import ParetoPoint, ParetoResult, Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANES: tuple[Plane, ...] = ("latency", "throughput")
ROW_INCHES = 0.235
# Okabe and Ito's palette, which colour-blind people tell apart; the shape of the marker names the runtime.
_COLOURS = {"fp32": "#0072B2", "fp16": "#009E73", "int8": "#D55E00"}
_OTHER_COLOUR = "#444444"
_MARKERS = {"onnxruntime": "o", "openvino": "s", "openvino-bf16": "D", "torch": "^"}
_OTHER_MARKER = "v"
_TYPE_NAMES = {"fp32": "float32", "fp16": "FP16", "int8": "INT8"}
_COLUMNS = (0.0, 0.035, 0.345, 0.46, 0.565, 0.67, 0.84)
"""Where the key's columns begin, as shares of its width."""


def draw_key(axes: "Axes", result: ParetoResult) -> None:
    """Write a table that names each numbered point and says what dominates it."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(result.points) + 1, 0))
    batch = result.points[0].throughput.batch
    _row(
        axes,
        0,
        ("", "file, runtime", "top-1", "batch 1", f"batch {batch}", "dominated, batch 1", f"dominated, batch {batch}"),
        bold=True,
    )
    axes.axhline(1.0, color="#bbbbbb", lw=0.8)
    numbers = {point.name: str(number) for number, point in enumerate(result.points, start=1)}
    for number, point in enumerate(result.points, start=1):
        cells = (
            str(number),
            point.name,
            f"{point.top1:.2f}%",
            f"{point.latency.p50_ms:.3g} ms",
            f"{point.throughput.images_per_s:,.0f}/s",
            *(_verdict(point, plane, numbers) for plane in PLANES),
        )
        _row(axes, number, cells, colour=style(point)[0])


def _row(axes: "Axes", row: int, cells: tuple[str, ...], *, bold: bool = False, colour: str = "black") -> None:
    for column, (text, x) in enumerate(zip(cells, _COLUMNS, strict=False)):
        numeric = 2 <= column <= 4
        axes.text(
            _COLUMNS[column + 1] - 0.02 if numeric else x,
            row + 0.5,
            text,
            ha="right" if numeric else "left",
            va="center",
            fontsize=9,
            fontweight="bold" if bold or column == 0 else "normal",
            color=colour if column == 0 else "black",
        )


def _verdict(point: ParetoPoint, plane: Plane, numbers: dict[str, str]) -> str:
    """Return what dominates a point, by numbers: at most three, the key has no room for all."""
    above = [numbers[name] for name in point.speed(plane).dominated_by]
    return f"by {', '.join(above[:3])}{' …' if len(above) > 3 else ''}" if above else "no"


def legend_handles(result: ParetoResult) -> list[Any]:
    """Return the legend of the colours and markers that occur."""
    from matplotlib.lines import Line2D

    kinds = list(dict.fromkeys(point.asked for point in result.points))
    runtimes = list(dict.fromkeys(_runtime(point) for point in result.points))
    return [
        *(
            Line2D(
                [],
                [],
                ls="",
                marker="o",
                ms=8,
                color=_COLOURS.get(kind, _OTHER_COLOUR),
                label=_TYPE_NAMES.get(kind, kind),
            )
            for kind in kinds
        ),
        *(
            Line2D([], [], ls="", marker=_MARKERS.get(name, _OTHER_MARKER), ms=8, color="#888888", label=name)
            for name in runtimes
        ),
    ]


def _runtime(point: ParetoPoint) -> str:
    return point.name.rpartition(", ")[2]


def style(point: ParetoPoint) -> tuple[str, str]:
    """Return a point's colour, by precision, and marker, by runtime."""
    return _COLOURS.get(point.asked, _OTHER_COLOUR), _MARKERS.get(_runtime(point), _OTHER_MARKER)
