"""The picture of how latencies are distributed, with percentiles and their intervals."""

from ran_deploy.bench.histogram import Histogram
from ran_deploy.bench.result import BatchResult
from ran_deploy.report.chart import Chart, place_rules
from ran_deploy.report.html import Html, cell, join, table
from ran_deploy.report.palette import BLUE, GREEN, INK, ORANGE
from ran_deploy.report.picture import Picture
from ran_deploy.report.words import interval, ms

_ROWS = 16
"""Rows of the table behind a picture, at most; each sums up neighbouring bars."""
COLOURS = {"engine": BLUE, "end-to-end": ORANGE, "device": GREEN}
"""Of the timed boundaries."""


def histogram(title: str, result: BatchResult, bins: Histogram, colour: str | None = None) -> Picture:
    """Draw how many runs had which latency; those far beyond the others are in the last bar.

    Args:
        title: Names the engine or the batch size.
        result: The statistics, whose percentiles are marked.
        bins: The counts.
        colour: Of the bars; None: the boundary's.
    """
    low, high = bins.low_ms, bins.high_ms
    tail = f" (last bar: {bins.beyond:,} slower, up to {result.max_ms:.4g})" if bins.beyond else ""
    chart = Chart(
        x=(low, high),
        y=(0, max(4, max(bins.counts) * 1.25)),
        x_label=f"latency in ms{tail}",
        y_label="runs",
        title=f"{title}: histogram of {result.samples:,} latencies",
        about=f"Median {ms(result.p50_ms)} ms, from {ms(result.min_ms)} to {ms(result.max_ms)} ms.",
    )
    for place, count in enumerate(bins.counts):
        if count:
            left = low + place * bins.bin_ms
            chart.bar(left, left + bins.bin_ms, count, colour or COLOURS[result.boundary])
    rules = [(result.p50_ms, f"p50 {result.p50_ms:.4g}", INK)]
    rules += [
        (estimate.ms, f"p{estimate.percent:g} {estimate.ms:.4g}", INK)
        for estimate in result.percentiles
        if estimate.ms is not None and estimate.percent != 50
    ]
    place_rules(chart, rules, lambda x: low <= x <= high)
    drawn = sum(bins.counts)
    few = f"Drawn: {drawn:,} of the {result.samples:,} latencies, spread evenly over their order."
    caption = few if drawn < result.samples else ""
    return Picture(title=title, svg=chart.svg(), data=_data(title, result, bins), caption=caption)


def _data(title: str, result: BatchResult, bins: Histogram) -> Html:
    values = [[cell("p50"), cell(ms(result.p50_ms), interval(result.p50_ci95_ms)), cell(f"{result.samples:,}")]]
    values += [
        [
            cell(f"p{one.percent:g}"),
            cell("too few runs", f"needs {one.needs:,}") if one.ms is None else cell(ms(one.ms), interval(one.ci95_ms)),
            cell(f"{result.samples:,}"),
        ]
        for one in result.percentiles
        if one.percent != 50
    ]
    rows = []
    step = -(-len(bins.counts) // _ROWS)
    for place in range(0, len(bins.counts), step):
        part = bins.counts[place : place + step]
        last = place + len(part) == len(bins.counts) and bins.beyond
        high = result.max_ms if last else bins.low_ms + (place + len(part)) * bins.bin_ms
        rows.append([cell(f"{ms(bins.low_ms + place * bins.bin_ms)} to {ms(high)}"), cell(f"{sum(part):,}")])
    return join(
        [
            table(f"{title}: percentiles", ["percentile", "ms, 95% interval", "of runs"], values),
            table(f"{title}: counts", ["latency in ms", "runs"], rows),
        ]
    )
