"""The picture of an experiment: training loss and held-out accuracy of every network, and its test accuracy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ran_deploy.experiments.result import ExperimentResult, NetworkResult
from ran_deploy.figures import save_figure
from ran_deploy.report.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which colour-blind people tell apart, darker where it has to serve for text on white.
_COLOURS = ("#0072B2", "#C04A00", "#007F5C", "#A8518A", "#8F6A00", "#2E8BC0", "#000000", "#6B6B6B")
_GAP_POINTS = 11.0
"""Least distance of two labels at the ends of lines, in points."""


def plot_curves(result: ExperimentResult, out: Path) -> None:
    """Draw an experiment into ``curves.png`` and ``curves.svg``."""
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    figure = Figure(figsize=(13.5, 4.9), layout="constrained")
    losses, accuracies, tested = figure.subplots(1, 3, width_ratios=(1, 1.25, 1.25))
    for network, colour in zip(result.networks, _COLOURS, strict=False):
        _draw(losses, network, colour, "train_loss")
        _draw(accuracies, network, colour, "val_top1")
    losses.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy, mean of the epoch")
    accuracies.set(
        title="Accuracy while training",
        xlabel="epoch",
        ylabel=f"top-1 on {result.plan.work.validation:,} held-out images, %",
    )
    epochs = result.plan.work.epochs
    for axes in (losses, accuracies):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xticks(range(1, epochs + 1, max(1, round(epochs / 6))))
    losses.set_xlim(min(0.9, epochs - 0.5), epochs + 0.1)
    # Room for the names at the ends of the lines.
    room = 0.034 * max(len(network.label) for network in result.networks)
    accuracies.set_xlim(min(0.9, epochs - 0.5), epochs + room * max(epochs - 1, 1))
    _dots(tested, result)
    figure.suptitle(f"{result.title}: {_budget(result)}", fontsize=12, fontweight="bold")
    _name_lines(accuracies, result.networks)
    for kind in ("png", "svg"):
        save_figure(figure, out / f"curves.{kind}", dpi=140)


def _budget(result: ExperimentResult) -> str:
    work, seeds = result.plan.work, result.plan.asked.seeds
    of_classes = f" of {result.plan.asked.classes} classes" if result.plan.asked.classes else ""
    return f"{work.images:,} images{of_classes} × {counted(work.epochs, 'epoch')}, {counted(seeds, 'seed')}"


def _mean(network: NetworkResult, field: str) -> tuple[list[int], list[float]]:
    curves = [[getattr(point, field) for point in run.curve] for run in network.seeds]
    return [point.epoch for point in network.seeds[0].curve], np.mean(curves, axis=0).tolist()


def _draw(axes: "Axes", network: NetworkResult, colour: str, field: str) -> None:
    epochs, mean = _mean(network, field)
    axes.plot(epochs, mean, color=colour, marker="o", ms=4, lw=1.8)
    if len(network.seeds) > 1:
        for run in network.seeds:
            axes.plot(epochs, [getattr(point, field) for point in run.curve], color=colour, lw=0.8, alpha=0.35)


def _name_lines(axes: "Axes", networks: Sequence[NetworkResult]) -> None:
    """Write each network's name in its colour beside the end of its line, moved apart where they would overlap."""
    figure = axes.get_figure()
    figure.draw_without_rendering()  # type: ignore[union-attr]  # lays out, so that pixels are known
    points = 72 / figure.get_dpi()  # type: ignore[union-attr]
    ends = [_mean(network, "val_top1")[1][-1] for network in networks]
    last = networks[0].seeds[0].curve[-1].epoch
    heights = [axes.transData.transform((last, end))[1] * points for end in ends]
    for index, place in enumerate(spread(heights, _GAP_POINTS)):
        axes.annotate(
            networks[index].label,
            (last, ends[index]),
            xytext=(8, place - heights[index]),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight="bold",
            color=_COLOURS[index],
        )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return places near ``places``, in the same order, of which no two are nearer than ``gap``."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[list[int], float]] = []
    for index in order:
        members, centre = [index], places[index]
        # A group that would overlap the one below joins it, around their common mean.
        while groups and centre - gap * (len(members) - 1) / 2 < groups[-1][1] + gap * (len(groups[-1][0]) + 1) / 2:
            below, _ = groups.pop()
            members = below + members
            centre = sum(places[member] for member in members) / len(members)
        groups.append((members, centre))
    moved = [0.0] * len(places)
    for members, centre in groups:
        for rank, member in enumerate(members):
            moved[member] = centre + gap * (rank - (len(members) - 1) / 2)
    return moved


def _dots(axes: "Axes", result: ExperimentResult) -> None:
    """Draw each network's test accuracy with its interval, and the published one, on a line of its own."""
    from matplotlib.lines import Line2D

    for row, (network, colour) in enumerate(zip(result.networks, _COLOURS, strict=False)):
        low, high = network.top1_ci95
        axes.plot([network.top1, network.published], [row, row], color=colour, lw=0.8, alpha=0.4, zorder=1)
        axes.errorbar(
            network.top1,
            row,
            xerr=[[network.top1 - low], [high - network.top1]],
            fmt="o",
            color=colour,
            ms=7,
            capsize=3,
        )
        axes.plot(
            network.published,
            row,
            marker="D",
            ms=7,
            ls="",
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=1.5,
        )
        for value, ink, offset in ((network.top1, colour, 8), (network.published, "#666666", -15)):
            beside = {"xytext": (0, offset), "textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(f"{value:.1f}%", (value, row), color=ink, **beside)  # type: ignore[arg-type]
    axes.set(title="Test accuracy", xlabel=f"top-1 in %, here on {result.plan.work.test_images:,} test images")
    axes.set_yticks(range(len(result.networks)), [network.label for network in result.networks])
    for tick, colour in zip(axes.get_yticklabels(), _COLOURS, strict=False):
        tick.set_color(colour)
        tick.set_fontweight("bold")
    axes.set_ylim(len(result.networks) - 0.4, -0.8)
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    grey = {"color": "#555555", "ms": 7, "markeredgewidth": 1.5}
    handles = [
        Line2D([], [], marker="o", lw=1.5, label="here, with 95% interval", **grey),  # type: ignore[arg-type]
        Line2D([], [], marker="D", ls="", markerfacecolor="white", label="published", **grey),  # type: ignore[arg-type]
    ]
    axes.legend(handles=handles, loc="lower center", ncols=2, frameon=False, fontsize=8)
