"""Latency and throughput of each engine by batch size, and how the latencies are distributed."""

from ran_deploy.bench.histogram import make_histogram
from ran_deploy.bench.report_histogram import histogram
from ran_deploy.bench.result import BatchResult
from ran_deploy.deploying.report_view import Shown
from ran_deploy.report.html import Align, Html, cell, element, folded, join, paragraph, table, text
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.words import interval, ms, rate


def latency_section(shown: list[Shown]) -> Html:
    """Return the table of all measurements, and histograms: those of the smallest batch open, the others folded."""
    measured = [one for one in shown if one.variant.bench is not None]
    if not measured:
        return paragraph("Not measured: no engine ran on this machine.")
    bench = measured[0].variant.bench
    assert bench is not None  # noqa: S101
    boundaries = " ".join(f"{name}: {words}." for name, words in bench.boundaries.items())
    rules = f"Percentiles: {bench.percentile_rule}. Intervals: {bench.interval_rule}. End: {bench.stop_rule}."
    parts = [
        paragraph(f"Scenario {bench.scenario}. What the clock covers: {boundaries} Fed: {bench.inputs}.", kind="soft"),
        _table(measured),
        paragraph(f"n<N: too few runs for this percentile. {rules}", kind="soft"),
        *_slo(measured),
    ]
    pictures = _histograms(measured)
    for place, (batch, found) in enumerate(pictures.items()):
        shown_here = gallery(found)
        if place == 0:
            parts += [element("h3", text(f"Distribution of latencies at batch {batch}")), shown_here]
        else:
            parts.append(folded(f"Distribution of latencies at batch {batch}", shown_here))
    return join(parts)


def _table(measured: list[Shown]) -> Html:
    several = len({entry.boundary for one in measured for entry in one.batches}) > 1
    percents = list(dict.fromkeys(p.percent for one in measured for e in one.batches for p in e.percentiles))
    header = [
        *("variant", "batch"),
        *(["boundary"] if several else []),
        *("verdict", "runs", "p50 ms"),
        *(f"p{percent:g}" for percent in percents if percent != 50),
        *("max", "images/s"),
    ]
    rows = [_row(one, entry, percents, boundary=several) for one in measured for entry in one.batches]
    align: tuple[Align, ...] = ("text", "", "left", "left") if several else ("text", "", "left")
    return table("Latency and throughput", header, rows, align=align)


def _row(one: Shown, entry: BatchResult, percents: list[float], *, boundary: bool) -> list[Html]:
    estimates = {estimate.percent: estimate for estimate in entry.percentiles}
    cells = []
    for percent in percents:
        estimate = estimates.get(percent)
        if percent == 50:
            continue
        if estimate is None:
            cells.append(cell("–"))
        elif estimate.ms is None:
            cells.append(cell(f"n<{estimate.needs:,}"))
        else:
            cells.append(cell(ms(estimate.ms), interval(estimate.ci95_ms)))
    speeds = entry.images_per_s_ci95
    return [
        cell(one.label),
        cell(str(entry.batch)),
        *([cell(entry.boundary)] if boundary else []),
        cell("stable", kind="good") if entry.stable else cell("unstable", kind="bad"),
        cell(f"{entry.samples:,}"),
        cell(ms(entry.p50_ms), interval(entry.p50_ci95_ms)),
        *cells,
        cell(ms(entry.max_ms)),
        cell(rate(entry.images_per_s), f"{rate(speeds[0])} to {rate(speeds[1])}" if speeds else ""),
    ]


def _slo(measured: list[Shown]) -> list[Html]:
    found = [(one, one.variant.slo) for one in measured if one.variant.slo is not None]
    if not found:
        return []
    rows = [
        [
            cell(one.label),
            cell("held", kind="good") if slo.held else cell("not held", kind="bad"),
            cell(ms(slo.measured_ms)),
            cell(f"p{slo.percentile:g}"),
            cell(slo.text),
        ]
        for one, slo in found
        if slo is not None
    ]
    limit = f"The latency that was asked for: at most {next(slo.slo_ms for _, slo in found if slo):g} ms"
    return [
        element("h3", text(limit)),
        table(limit, ["variant", "verdict", "ms", "percentile", "why"], rows, align=("text", "left", "", "", "text")),
    ]


def _histograms(measured: list[Shown]) -> dict[int, list[Picture]]:
    """Return the histograms by batch size, the smallest first."""
    found: dict[int, list[Picture]] = {}
    for one in measured:
        entries = {(entry.batch, entry.boundary): entry for entry in one.batches}
        for samples in one.variant.samples:
            entry = entries.get((samples.batch, samples.boundary))
            if entry is not None and samples.latencies_ms:
                title = f"{one.label}, batch {samples.batch}"
                if len({boundary for _, boundary in entries}) > 1:
                    title += f", {samples.boundary}"
                picture = histogram(title, entry, make_histogram(samples.latencies_ms), one.colour)
                found.setdefault(samples.batch, []).append(picture)
    return dict(sorted(found.items()))
