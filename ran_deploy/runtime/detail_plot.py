"""The picture of an evaluation: which classes are taken for which, and confidence against accuracy."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ran_deploy.figures import save_figure
from ran_deploy.runtime.detail_result import DetailResult
from ran_deploy.runtime.evaluate import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NUMBERS = 20
"""Classes up to which each cell of the confusion matrix holds its number."""
_MOST_NAMES = 60
"""Classes up to which they are named beside it."""
_BLUE = "#1f5fa8"
_GAP = "#d95f02"


def plot_detail(result: DetailResult, path: Path) -> None:
    """Draw the confusion matrix and the reliability diagram into an SVG, PNG or PDF file.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(6.6, 5.4), height_ratios=(3.2, 1))
    _draw_confusion(figure.add_subplot(grid[:, 0]), result)
    upper = figure.add_subplot(grid[0, 1])
    _draw_reliability(upper, result)
    _draw_counts(figure.add_subplot(grid[1, 1], sharex=upper), result)
    figure.suptitle(
        f"{Path(result.engine).name}: {result.top1:.2f}% of {result.samples:,} images of {result.dataset} "
        f"({result.split}), {result.runtime}",
        fontweight="bold",
    )
    save_figure(figure, path, dpi=130)


def _draw_confusion(axes: "Axes", result: DetailResult) -> None:
    counts = np.array(result.confusion, dtype=np.float64)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # A square root shows the few mistakes beside the many hits.
    picture = axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=10)
    bar = axes.get_figure().colorbar(picture, ax=axes, shrink=0.75, pad=0.02)  # type: ignore[union-attr]
    marks = (0, 1, 5, 20, 50, 100)
    bar.set_ticks([mark**0.5 for mark in marks], labels=[f"{mark}%" for mark in marks])
    bar.set_label("share of the true class")
    if len(counts) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 35 else "#222222" if count else "#b5bfca"
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=8, color=colour)
    if len(counts) <= _MOST_NAMES:
        axes.set_xticks(range(len(counts)), result.labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(counts)), result.labels)
    axes.set(title="Confusion matrix, in images", xlabel="predicted class", ylabel="true class")


def _draw_reliability(axes: "Axes", result: DetailResult) -> None:
    filled = [one for one in result.calibration.bins if one.samples]
    middles = [(one.low + one.high) / 2 for one in filled]
    accuracy = np.array([one.accuracy for one in filled], dtype=np.float64)
    width = 100 / len(result.calibration.bins)
    axes.bar(middles, accuracy, width=width, color="#9dbde0", edgecolor="white", label="accuracy, 95% interval")
    edges = 100 * np.array(
        [
            wilson_interval(round(right * one.samples / 100), one.samples)
            for one, right in zip(filled, accuracy, strict=True)
        ]
    )
    spread = np.abs(edges.T - accuracy)
    axes.errorbar(middles, accuracy, yerr=spread, fmt="none", ecolor=_BLUE, elinewidth=1.4, capsize=2.5)
    confidence = [one.confidence or 0.0 for one in filled]
    axes.hlines(
        confidence, [one.low for one in filled], [one.high for one in filled], color=_GAP, lw=2, label="mean confidence"
    )
    axes.plot((0, 100), (0, 100), color="#444444", ls="--", lw=1, label="calibrated")
    calibration = result.calibration
    axes.set(
        title=f"Reliability: ECE {calibration.ece_points:.2f} points "
        f"(adaptive {calibration.adaptive_ece_points:.2f}), 15 bins",
        ylabel="accuracy in %",
        xlim=(0, 100),
        ylim=(0, 100),
    )
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", fontsize="small", framealpha=0.95)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _draw_counts(axes: "Axes", result: DetailResult) -> None:
    bins = result.calibration.bins
    middles, shares = [(one.low + one.high) / 2 for one in bins], [100 * one.samples / result.samples for one in bins]
    axes.bar(middles, shares, width=100 / len(bins), color="#9aa7b5", edgecolor="white")
    for value, colour, name in (
        (result.top1, _BLUE, f"accuracy {result.top1:.1f}%"),
        (result.calibration.mean_confidence, _GAP, f"mean confidence {result.calibration.mean_confidence:.1f}%"),
    ):
        axes.axvline(value, color=colour, lw=1.6, label=name)
    axes.set(xlabel="confidence (softmax of the likeliest class) in %", ylabel="images in %")
    axes.legend(loc="upper left", frameon=False, fontsize="small")
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
