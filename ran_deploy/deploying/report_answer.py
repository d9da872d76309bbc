"""What stands on top of a report: which engine to deploy and why, the figures that matter, the warnings."""

from ran_deploy.deploying.report_view import TYPE_NAMES, Shown
from ran_deploy.deploying.result import DeployResult, Variant
from ran_deploy.report.html import NOTHING, Html, bullets, cards, commands, element, join, paragraph, text
from ran_deploy.report.words import counted, interval, ms, rate, shorten, size

_FIRST = 3
"""Warnings that are said at the top; the others are one link away."""


def answer(result: DeployResult) -> Html:
    """Return the recommendation with its reasons and the next command."""
    found = result.recommendation
    parts = [
        paragraph(found.sentence),
        bullets([text(reason) for reason in found.reasons]) if found.reasons else NOTHING,
    ]
    if found.next_command:
        parts += [element("h3", text("What to type next")), commands(found.next_command)]
    return element("div", join(parts), kind="answer" if found.variant else "answer none")


def figures(shown: list[Shown], result: DeployResult) -> Html:
    """Return the figures of the engine that is recommended; nothing where there is none."""
    chosen = next((one for one in shown if one.variant.name == result.recommendation.variant), None)
    if chosen is None:
        return NOTHING
    variant = chosen.variant
    entries = [("precision", TYPE_NAMES[variant.precision], f"in {variant.runtime}")]
    entries += _accuracy(variant)
    entries += _speed(chosen)
    if variant.slo is not None:
        held = "held" if variant.slo.held else "not held"
        judged = f"p{variant.slo.percentile:g} {ms(variant.slo.measured_ms)} ms at batch {variant.slo.batch}"
        entries.append((f"at most {variant.slo.slo_ms:g} ms", held, judged))
    if variant.engine is not None:
        entries.append(("file", size(variant.engine.size_bytes), shorten(variant.engine.name, 40)))
    return cards(entries)


def _speed(chosen: Shown) -> list[tuple[str, str, str]]:
    """Return latency and throughput: as measured in turn with the other engines, else alone."""
    if chosen.point is not None:
        latency, large = chosen.point.latency, chosen.point.throughput
        return [
            ("median, batch 1", f"{ms(latency.p50_ms)} ms", f"{counted(latency.runs, 'run')}, in turn with the others"),
            (f"images/s, batch {large.batch}", rate(large.images_per_s), "in turn with the others"),
        ]
    entries = []
    for entry in dict.fromkeys((chosen.batches[0], chosen.batches[-1])) if chosen.batches else ():
        limits = f"95%: {interval(entry.p50_ci95_ms)}" if entry.p50_ci95_ms else counted(entry.samples, "run")
        entries.append((f"median, batch {entry.batch}", f"{ms(entry.p50_ms)} ms", limits))
        entries.append((f"images/s, batch {entry.batch}", rate(entry.images_per_s), counted(entry.samples, "run")))
    return entries


def _accuracy(variant: Variant) -> list[tuple[str, str, str]]:
    if variant.accuracy is None:
        return [("top-1 accuracy", "not measured", "no labelled images were given")]
    low, high = variant.accuracy.top1_ci95
    entries = [
        (
            f"top-1, {variant.accuracy.samples:,} images",
            f"{variant.accuracy.top1:.2f}%",
            f"95%: {low:.2f} to {high:.2f}",
        )
    ]
    if variant.paired is not None:
        low, high = variant.paired.difference_ci95
        words = f"points; 95%: {low:+.2f} to {high:+.2f}"
        entries.append(("against float32", f"{variant.paired.difference_points:+.2f}", words))
    return entries


def warning_box(warnings: list[str]) -> Html:
    """Return how many warnings there are, the first of them, and the way to all; nothing where there are none."""
    if not warnings:
        return NOTHING
    first = [Html(f'<a href="#warning-{place}">{text(words)}</a>') for place, words in enumerate(warnings[:_FIRST], 1)]
    more = len(warnings) - len(first)
    count = element("b", text(counted(len(warnings), "warning")))
    rest = Html(f'<p><a href="#warnings">and {counted(more, "other")}, below</a></p>') if more else NOTHING
    return element("div", join([element("p", count), bullets(first), rest]), kind="notes")


def warning_list(warnings: list[str]) -> Html:
    """Return all warnings, numbered, each of which can be linked to; a sentence where there are none."""
    if not warnings:
        return paragraph("There are none.")
    items = "".join(f'<li id="warning-{place}">{text(words)}</li>' for place, words in enumerate(warnings, 1))
    return Html(f"<ol>{items}</ol>")
