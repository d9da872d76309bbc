"""The tables of an evaluation in Markdown, as a model card has them."""

import os
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.files import write_text
from ran_deploy.runtime.detail_result import DetailResult

_MOST_COLUMNS = 20
"""Classes up to which the confusion matrix is written out; above, its largest entries stand for it."""


def write_report(result: DetailResult, path: Path) -> None:
    """Write the tables of a result.

    Args:
        result: What was measured.
        path: The ``.md`` file; a picture is named by its path from there.

    Raises:
        UsageError: The file cannot be written.
    """
    parts = [
        f"# {Path(result.engine).name} on {result.dataset} ({result.split})",
        f"{result.samples:,} images, {result.runtime}, sha256 `{result.sha256}`.",
        *[f"Note: {note}" for note in result.notes],
        figures_table(result),
    ]
    if result.plot is not None:
        target = Path(os.path.relpath(result.plot, path.parent)).as_posix()
        parts.append(f"![Confusion matrix and reliability diagram]({target})")
    if result.corrupted:
        parts += ["## Images made worse", corrupted_table(result)]
    parts += ["## Classes", classes_table(result)]
    if len(result.labels) <= _MOST_COLUMNS:
        parts += ["## Confusion matrix", "Images by true class (rows) and predicted class.", confusion_table(result)]
    if result.mistakes:
        rows = [(one.label, one.taken_for, f"{one.images:,}") for one in result.mistakes]
        parts += ["## Most frequent mistakes", _table(("true class", "taken for", "images"), rows)]
    write_text(path, "\n\n".join(parts) + "\n")


def figures_table(result: DetailResult) -> str:
    """Return accuracy and calibration."""
    low, high = result.top1_ci95
    calibration = result.calibration
    rows = [("top-1", f"**{result.top1:.2f}%**, 95% interval {low:.2f} to {high:.2f} (Wilson)")]
    if result.top5 is not None:
        rows.append(("top-5", f"{result.top5:.2f}%"))
    rows += [
        ("mean confidence", f"{calibration.mean_confidence:.2f}%"),
        ("expected calibration error", f"{calibration.ece_points:.2f} points, {len(calibration.bins)} equal bins"),
        ("the same, bins of equally many images", f"{calibration.adaptive_ece_points:.2f} points"),
    ]
    return _table(("", ""), rows)


def corrupted_table(result: DetailResult) -> str:
    """Return the accuracy on images made worse, beside that on the images as they are."""
    calibration = result.calibration
    rows = [("as they are", f"{result.top1:.2f}%", "", f"{calibration.ece_points:.2f}")]
    for one in result.corrupted:
        low, high = one.against_clean.difference_ci95
        difference = f"{one.against_clean.difference_points:+.2f} ({low:+.2f} to {high:+.2f})"
        rows.append((one.description, f"{one.top1:.2f}%", difference, f"{one.ece_points:.2f}"))
    return _table(("images", "top-1", "difference in points (95% interval of the pairs)", "calibration error"), rows)


def classes_table(result: DetailResult) -> str:
    """Return the accuracy of each class."""
    rows = []
    for one in result.classes:
        low, high = one.accuracy_ci95 or (0.0, 0.0)
        accuracy = "–" if one.accuracy is None else f"{one.accuracy:.1f}% ({low:.1f} to {high:.1f})"
        precision = "–" if one.precision is None else f"{one.precision:.1f}%"
        rows.append((one.label, f"{one.samples:,}", accuracy, precision))
    return _table(("class", "images", "named so (recall, 95% interval)", "right where named (precision)"), rows)


def confusion_table(result: DetailResult) -> str:
    """Return the confusion matrix."""
    rows = [(label, *map(str, row)) for label, row in zip(result.labels, result.confusion, strict=True)]
    return _table(("", *result.labels), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])
