"""The picture of a Pareto run: accuracy against latency and against throughput, with a key that names each point."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ran_deploy.bench.pareto_key import PLANES, ROW_INCHES, draw_key, legend_handles, style
from ran_deploy.bench.pareto_result import ParetoPoint, ParetoResult, Plane
from ran_deploy.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_pareto(result: ParetoResult, path: Path) -> None:
    """Draw a result into an SVG, PNG or PDF file.

    Filled points are on the front of their plane, hollow ones are dominated; the key says by which.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # without pyplot: no global state, no display
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    key_inches = ROW_INCHES * (len(result.points) + 1)
    figure = Figure(figsize=(10.5, 5.9 + key_inches), layout=ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.08))
    grid = figure.add_gridspec(3, 2, height_ratios=(0.28, 4.6, key_inches))
    left = figure.add_subplot(grid[1, 0])
    right = figure.add_subplot(grid[1, 1], sharey=left)
    for axes, plane in ((left, PLANES[0]), (right, PLANES[1])):
        _draw_plane(axes, result, plane)
    left.set_ylabel("top-1 accuracy in %")
    right.tick_params(labelleft=False)
    figure.suptitle(_title(result), fontsize=12, fontweight="bold")
    legend = figure.add_subplot(grid[0, :])
    legend.set_axis_off()
    legend.legend(handles=legend_handles(result), loc="center", ncols=8, frameon=False, fontsize=9)
    draw_key(figure.add_subplot(grid[2, :]), result)
    figure.supxlabel(_caption(result), fontsize=8, color="#444444", ha="left", x=0.012)
    save_figure(figure, path, dpi=150)


def _title(result: ParetoResult) -> str:
    networks = sorted({Path(point.session.engine).stem for point in result.points}, key=len)
    return f"{networks[0]}: accuracy against speed, {result.samples:,} images of {result.dataset} ({result.split})"


def _caption(result: ParetoResult) -> str:
    first, machine = result.points[0], result.environment
    low, high = first.top1_ci95
    threads = sorted({point.session.threads for point in result.points})
    cpus = f"{machine.cpus} CPU{'s' if machine.cpus > 1 else ''}"
    return (
        f"Vertical bars: 95% interval of the difference in accuracy from point 1 on the same images "
        f"(point 1: {first.top1:.2f}%, 95% interval {low:.2f} to {high:.2f}).\n"
        f"Horizontal bars: slowest to fastest of {result.options.rounds} interleaved rounds. "
        f"Filled: on the front (dashed). Hollow: dominated; "
        f"{result.options.tolerance_points:g} points count as equal.\n"
        f"{machine.cpu}, {cpus}, {'/'.join(map(str, threads))} thread{'s' if threads != [1] else ''}"
    )


def front(points: Sequence[ParetoPoint], plane: Plane) -> list[tuple[float, float]]:
    """Return the corners of the dashed line, fastest first: ever slower, and ever more accurate.

    A point that is worse than another, but not surely so, is not dominated; the line passes it by all the same.
    """
    undominated = [(_x(point, plane), point.top1) for point in points if not point.speed(plane).dominated_by]
    corners: list[tuple[float, float]] = []
    for x, top1 in sorted(undominated, key=lambda place: (place[0] if plane == "latency" else -place[0], -place[1])):
        if not corners or top1 > corners[-1][1]:
            corners.append((x, top1))
    return corners


def _draw_plane(axes: "Axes", result: ParetoResult, plane: Plane) -> None:
    points, first = result.points, result.points[0]
    batch = points[0].speed(plane).batch
    axes.set_xlabel(
        f"median latency at batch {batch}, in ms  (left is better)"
        if plane == "latency"
        else f"throughput at batch {batch}, in images per second  (right is better)"
    )
    axes.plot(*zip(*front(points, plane), strict=True), color="#bbbbbb", lw=1.2, ls="--", zorder=1)
    for number, point in enumerate(points, start=1):
        colour, marker = style(point)
        hollow = bool(point.speed(plane).dominated_by)
        x, (slow, fast) = _x(point, plane), _spread(point, plane)
        low, high = (first.top1 + edge for edge in point.difference_ci95)
        axes.errorbar(
            x,
            point.top1,
            xerr=[[max(0.0, x - slow)], [max(0.0, fast - x)]],
            yerr=None if number == 1 else [[point.top1 - low], [high - point.top1]],
            fmt=marker,
            color=colour,
            markerfacecolor="white" if hollow else colour,
            markersize=8,
            markeredgewidth=1.6,
            elinewidth=1.0,
            capsize=2.5,
            alpha=0.95,
            zorder=2 if hollow else 3,
        )
    axes.margins(x=0.12, y=0.14)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(left=0)
    _number(axes, [(_x(point, plane), point.top1, style(point)[0]) for point in points])


def _number(axes: "Axes", points: list[tuple[float, float, str]]) -> None:
    """Write each point's number beside it, at the first of eight places that no other number or point takes."""
    offsets = [(9, 7), (9, -13), (-15, 7), (-15, -13), (12, -3), (-19, -3), (9, 19), (-15, -25)]
    axes.get_figure().draw_without_rendering()  # type: ignore[union-attr]  # lays out, so that pixels are known
    scale = axes.get_figure().get_dpi() / 72  # type: ignore[union-attr]
    taken = [tuple(value / scale for value in axes.transData.transform((x, y))) for x, y, _ in points]
    for number, ((_, __, colour), (x, y)) in enumerate(zip(points, list(taken), strict=True), start=1):
        free = (
            offset
            for offset in offsets
            if all(abs(x + offset[0] + 4 - a) > 10 or abs(y + offset[1] + 4 - b) > 11 for a, b in taken)
        )
        dx, dy = next(itertools.chain(free, iter(offsets)))
        taken.append((x + dx + 4, y + dy + 4))
        axes.annotate(
            str(number),
            points[number - 1][:2],
            xytext=(dx, dy),
            textcoords="offset points",
            fontsize=9,
            fontweight="bold",
            color=colour,
            zorder=4,
        )


def _x(point: ParetoPoint, plane: Plane) -> float:
    return point.latency.p50_ms if plane == "latency" else point.throughput.images_per_s


def _spread(point: ParetoPoint, plane: Plane) -> tuple[float, float]:
    values = point.latency.round_p50_ms if plane == "latency" else point.throughput.round_images_per_s
    return min(values), max(values)
