"""What ``ran-deploy eval --details`` prints for a person."""

from ran_deploy.cli.output import table
from ran_deploy.runtime.detail_result import DetailResult

_MOST_ROWS = 20
_MISTAKES = 5


def detail_lines(result: DetailResult) -> list[str]:
    """Return calibration, corruptions, classes (the worst, where there are many) and the most frequent mistakes."""
    calibration = result.calibration
    off = calibration.mean_confidence - result.top1
    kind = "over" if off > 0 else "under"
    lines = [
        f"confidence  {calibration.mean_confidence:.2f}% in the mean, {abs(off):.2f} points {kind} the accuracy",
        f"calibration error  {calibration.ece_points:.2f} points (15 equal bins), "
        f"{calibration.adaptive_ece_points:.2f} (15 bins of equally many images)",
    ]
    if result.corrupted:
        rows = []
        for one in result.corrupted:
            low, high = one.against_clean.difference_ci95
            difference = f"{one.against_clean.difference_points:+.2f} ({low:+.2f} to {high:+.2f})"
            rows.append((one.corruption, f"{one.top1:.2f}%", difference, f"{one.ece_points:.2f}"))
        lines += ["", *table(("images", "top-1", "difference (95%)", "calibration error"), rows)]
    lines += ["", *_classes(result)]
    if result.mistakes:
        lines.append("")
    for mistake in result.mistakes[:_MISTAKES]:
        images = "image" if mistake.images == 1 else "images"
        lines.append(f"{mistake.images:,} {images} of {mistake.label} taken for {mistake.taken_for}")
    written = [("plot", result.plot), ("report", result.report)]
    return [*lines, *(f"{what}  {path}" for what, path in written if path is not None)]


def _classes(result: DetailResult) -> list[str]:
    shown = [one for one in result.classes if one.samples]
    many = len(shown) > _MOST_ROWS
    if many:
        shown = sorted(shown, key=lambda one: one.accuracy or 0.0)[:_MOST_ROWS]
    rows = []
    for one in shown:
        low, high = one.accuracy_ci95 or (0.0, 0.0)
        precision = "–" if one.precision is None else f"{one.precision:.1f}%"
        rows.append((one.label, f"{one.samples:,}", f"{one.accuracy:.1f}% ({low:.1f} to {high:.1f})", precision))
    lines = table(("class", "images", "accuracy (95%)", "precision"), rows)
    return [*lines, f"the {_MOST_ROWS} worst of {len(result.classes)} classes"] if many else lines
