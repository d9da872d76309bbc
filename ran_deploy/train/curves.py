"""The picture of a training run: loss, accuracy and learning rate over the epochs."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.figures import save_figure
from ran_deploy.optional import require
from ran_deploy.train.metrics import EpochMetrics


def plot_curves(history: Sequence[EpochMetrics], title: str, out: Path) -> None:
    """Draw the curves of a run into a PNG file.

    Raises:
        MissingError: matplotlib is not installed.
    """
    require("matplotlib", "The plot of the training curves")
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    epochs = [record.epoch for record in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.plot(epochs, [record.train_loss for record in history], color="#1f5fa8", marker="o", ms=3)
    losses.set(xlabel="epoch", ylabel="training loss (of soft and noisy labels)")
    rates = losses.twinx()
    rates.plot(epochs, [record.lr for record in history], color="#888888", ls=":", lw=1.2)
    rates.set_ylabel("learning rate (dotted)")
    accuracies.plot(
        epochs,
        [record.train_top1 for record in history],
        color="#888888",
        ls="--",
        marker=".",
        label="training, augmented",
    )
    validated = [record for record in history if record.val_top1 is not None]
    if validated:
        accuracies.plot(
            [record.epoch for record in validated],
            [record.val_top1 for record in validated],
            color="#1f5fa8",
            marker="o",
            ms=3,
            label="validation",
        )
    for before, after in itertools.pairwise(history):
        if before.size != after.size:
            for axes in (losses, accuracies):
                axes.axvline(before.epoch + 0.5, color="#bbbbbb", lw=0.8)
                axes.annotate(
                    f"{after.size} px",
                    (before.epoch + 0.6, 0.98),
                    xycoords=("data", "axes fraction"),
                    va="top",
                    fontsize=8,
                    color="#666666",
                )
    accuracies.set(xlabel="epoch", ylabel="top-1 accuracy in %")
    accuracies.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    for axes in (losses, accuracies):
        axes.grid(alpha=0.25)
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    figure.suptitle(title)
    save_figure(figure, out, dpi=130)
