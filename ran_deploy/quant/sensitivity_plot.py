"""The picture of a sensitivity ranking: a bar for each group, the costliest on top."""

from pathlib import Path

from ran_deploy.figures import save_figure
from ran_deploy.quant.groups import PARTS
from ran_deploy.quant.ranking import SensitivityResult

_COLOURS = {
    "stem": "#888888",
    "unit": "#1f5fa8",
    "trunk": "#3d9970",
    "mask": "#d95f02",
    "classifier": "#7b3294",
}
_MOST_BARS = 120


def plot_sensitivity(result: SensitivityResult, out: Path) -> None:
    """Draw the SQNR at the logits of each group, coloured by the part of the network.

    Args:
        result: The ranking; the costliest 120 groups are drawn.
        out: The picture: .png, .svg or .pdf.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # without pyplot: no global state, no display
    from matplotlib.patches import Patch

    rows = result.groups[:_MOST_BARS]
    figure = Figure(figsize=(9, 1.6 + 0.19 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    axes.barh(places, [row.cost.sqnr_db for row in rows], color=[_COLOURS[row.part] for row in rows], height=0.75)
    axes.set_yticks(places, [row.group for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    for place, row in enumerate(rows):
        if row.cost.flips:
            flips = f" {row.cost.flips} flip{'s' if row.cost.flips > 1 else ''}"
            axes.annotate(flips, (max(row.cost.sqnr_db, 0), place), va="center", fontsize=6)
    axes.axvline(result.everything.sqnr_db, color="black", ls="--", lw=1)
    axes.set_xlabel(f"SQNR at the logits in dB, {result.images} images; dashed: everything quantized")
    axes.set_title(f"{Path(result.onnx).name}: one {result.grouping} in {result.precision}, the rest float32")
    used = {row.part for row in rows}
    axes.legend(
        handles=[Patch(color=_COLOURS[part], label=part) for part in PARTS if part in used],
        loc="upper right",
        frameon=False,
    )
    axes.grid(axis="x", alpha=0.25)
    save_figure(figure, out, dpi=130)
