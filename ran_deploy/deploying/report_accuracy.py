"""The accuracy of each engine with its interval, and against float32 on the same images."""

from typing import Any

from ran_deploy.deploying.report_view import Shown, key_words
from ran_deploy.deploying.result import DeployResult
from ran_deploy.report.html import NOTHING, Html, cell, element, join, paragraph, table, text
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.rows import Row, row_chart

_TITLE = "Top-1 accuracy"
_PAIRED = "Against float32, on the same images"


def accuracy_section(shown: list[Shown], result: DeployResult) -> Html:
    """Return pictures and tables of the accuracy, and how well the files agree with what they were made from."""
    measured = [one for one in shown if one.variant.accuracy is not None]
    parity = _parity(shown)
    if not measured:
        said = paragraph("Not measured: no labelled images were given. Add --data with the folder of a dataset.")
        return join([said, parity])
    first = measured[0].variant.accuracy
    assert first is not None  # noqa: S101
    counts = {one.variant.accuracy.samples for one in measured if one.variant.accuracy is not None}
    images = " or ".join(f"{count:,}" for count in sorted(counts))
    intro = (
        f"{images} images of {first.dataset} ({first.split}). Intervals are of 95%: Wilson's for an accuracy, Tango's "
        "for a difference on the same images, which is the one that tells whether an engine lost anything."
    )
    pictures = [_top1(measured)]
    if any(one.variant.paired is not None for one in measured):
        pictures.append(_difference(measured, result))
    return join([paragraph(intro, kind="soft"), gallery(pictures), parity])


def _top1(measured: list[Shown]) -> Picture:
    rows, cells = [], []
    for one in measured:
        accuracy = one.variant.accuracy
        if accuracy is None:
            continue
        low, high = accuracy.top1_ci95
        rows.append(_row(one, f"{accuracy.top1:.2f}%", accuracy.top1, accuracy.top1_ci95))
        top5 = "none" if accuracy.top5 is None else f"{accuracy.top5:.2f}%"
        cells.append(
            [
                cell(one.label),
                cell(f"{accuracy.top1:.2f}%", f"{low:.2f} to {high:.2f}"),
                cell(top5),
                cell(f"{accuracy.samples:,}"),
            ]
        )
    svg = row_chart(
        rows,
        x=_around(rows),
        x_label="top-1 accuracy in %, with its 95% interval",
        title=_TITLE,
        about="; ".join(f"{row.name}: {row.words}" for row in rows),
    )
    data = table(_TITLE, ["variant", "top-1, 95% interval", "top-5", "images"], cells, align=("text",))
    return Picture(title=_TITLE, svg=svg, data=data, caption=f"Colours and shapes: {key_words(measured)}.")


def _difference(measured: list[Shown], result: DeployResult) -> Picture:
    rows, cells = [], []
    for one in measured:
        paired, gate = one.variant.paired, one.variant.gate
        if paired is None:
            continue
        low, high = paired.difference_ci95
        failed = gate is not None and not gate.passed
        words = f"{paired.difference_points:+.2f}"
        rows.append(_row(one, words, paired.difference_points, paired.difference_ci95, hollow=failed))
        cells.append(
            [
                cell(one.label),
                cell(words, f"{low:+.2f} to {high:+.2f}"),
                cell(f"{paired.only_reference_right:,} lost", f"{paired.only_candidate_right:,} won"),
                cell(f"p {paired.mcnemar_p:.3g}", f"{paired.agreement:.2f}% alike"),
                cell("none" if gate is None else gate.verdict, "" if gate is None else f"at most -{gate.max_drop:g}"),
            ]
        )
    drops = {one.variant.gate.max_drop for one in measured if one.variant.gate is not None}
    limit = (-min(drops), f"may lose {min(drops):g}") if len(drops) == 1 else None
    low, high = _around(rows)
    svg = row_chart(
        rows,
        x=(min(low, -1.1 * max(drops, default=0.0)), max(high, 0.05)),
        x_label="percentage points against float32, with the 95% interval",
        title=_PAIRED,
        about="; ".join(f"{row.name}: {row.words} points" for row in rows),
        limit=limit,
    )
    header = ["variant", "points, 95% interval", "images", "McNemar, same class", "gate"]
    gates = ", ".join(
        f"{name} may lose {drop:g}"
        for name, drop in (("FP16", result.options.gates.fp16), ("INT8", result.options.gates.int8))
    )
    caption = f"{gates} points. Hollow: its gate was failed."
    return Picture(title=_PAIRED, svg=svg, data=table(_PAIRED, header, cells, align=("text",)), caption=caption)


def _row(one: Shown, words: str, value: float, interval: tuple[float, float], *, hollow: bool = False) -> Row:
    return Row(
        name=one.label,
        words=words,
        value=value,
        interval=interval,
        colour=one.colour,
        shape=one.shape,
        hollow=hollow,
    )


def _around(rows: list[Row]) -> tuple[float, float]:
    ends = [end for row in rows for end in (row.interval or (row.value, row.value))]
    room = 0.06 * (max(ends) - min(ends)) or 0.1
    return min(ends) - room, max(ends) + room


def _parity(shown: list[Shown]) -> Html:
    """Return how the logits of each file agree with those of the file that it was made from; one row for each file."""
    rows: dict[str, list[Html]] = {}
    for one in shown:
        found, engine = one.variant.parity, one.variant.engine
        if found and engine is not None and engine.name not in rows:
            rows[engine.name] = [
                cell(engine.name),
                cell(str(found.get("reference", "unknown"))),
                cell(_figure(found, "max_abs", ".2e")),
                cell(_figure(found, "cosine_min", ".6f")),
                cell(_figure(found, "sqnr_db", ".1f")),
                cell(_share(found.get("top1_agreement"))),
                cell(_figure(found, "images", ",")),
            ]
    if not rows:
        return NOTHING
    header = ["file", "against", "largest difference", "least cosine", "SQNR in dB", "same class", "images"]
    name = "Agreement of logits when the files were made"
    return join([element("h3", text(name)), table(name, header, list(rows.values()), align=("text", "text"))])


def _figure(found: dict[str, Any], name: str, form: str) -> str:
    value = found.get(name)
    return format(value, form) if isinstance(value, int | float) else "–"


def _share(value: object) -> str:
    return f"{100 * value:.2f}%" if isinstance(value, int | float) else "–"
