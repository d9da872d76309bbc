"""The charts of a report: how latencies are distributed, how they went on, throughput against batch, the search."""

import math
from collections.abc import Callable, Sequence

from ran_deploy.bench.loop import NS_PER_S
from ran_deploy.bench.report_svg import BLUE, GREEN, GREY, ORANGE, Chart, place_rules
from ran_deploy.bench.result import BatchResult
from ran_deploy.bench.search import Search
from ran_deploy.bench.series import Series
from ran_deploy.bench.statistics import percentile

_BINS = 48
_FENCE = 5
"""Latencies more than so many times the interquartile range above the third quartile share the last bar."""
_POINTS = 320
_COLOURS = {"engine": BLUE, "end-to-end": ORANGE, "device": GREEN}


def histogram(latencies_ms: Sequence[float], result: BatchResult) -> str:
    """Draw how many runs had which latency; those far beyond the others are put into the last bar."""
    ordered = sorted(latencies_ms)
    quarter, three = percentile(ordered, 25), percentile(ordered, 75)
    low, high = ordered[0], max(min(three + _FENCE * (three - quarter), ordered[-1]), ordered[0] * 1.001)
    bins = min(_BINS, max(8, round(2.5 * math.sqrt(len(ordered)))))
    step = (high - low) / bins
    counts = [0] * bins
    for value in ordered:
        counts[min(int((value - low) / step), bins - 1)] += 1
    beyond = sum(value > high for value in ordered)
    label = "latency in ms" + (f" (last bar: {beyond:,} slower, up to {ordered[-1]:.4g})" if beyond else "")
    chart = Chart(
        x=(low, high),
        y=(0, max(4, max(counts) * 1.25)),
        x_label=label,
        y_label="runs",
        title=f"Histogram of {len(ordered)} latencies at batch {result.batch}, {result.boundary}",
    )
    for place, count in enumerate(counts):
        if count:
            chart.bar(low + place * step, low + (place + 1) * step, count, _COLOURS[result.boundary])
    rules = [(result.p50_ms, f"p50 {result.p50_ms:.4g}", "#111")]
    rules += [
        (estimate.ms, f"p{estimate.percent:g} {estimate.ms:.4g}", "#111")
        for estimate in result.percentiles
        if estimate.ms is not None
    ]
    place_rules(chart, rules, lambda x: low <= x <= high)
    return chart.svg()


def time_line(series: Sequence[Series]) -> str:
    """Draw each latency at its time; of many, the lowest, median and highest of neighbouring ones.

    Processes follow one another, each marked by a line.
    """
    points: list[tuple[float, float]] = []
    borders: list[float] = []
    offset_s = 0.0
    for one in series:
        if points:
            borders.append(offset_s)
        zero = one.starts_ns[0]
        times = [offset_s + (start - zero) / NS_PER_S for start in one.starts_ns]
        points += zip(times, one.latencies_ms, strict=True)
        offset_s = points[-1][0]
    highest = max(latency for _, latency in points)
    first = series[0]
    chart = Chart(
        x=(0, points[-1][0]),
        y=(0, highest * 1.08),
        x_label="time of measurement in s",
        y_label="latency in ms",
        title=f"Latency over time at batch {first.batch}, {first.boundary}",
    )
    colour = _COLOURS[first.boundary]
    if len(points) <= _POINTS:
        for x, y in points:
            chart.dot(x, y, colour, radius=1.7)
    else:
        size = -(-len(points) // _POINTS)
        medians = []
        for start in range(0, len(points), size):
            part = points[start : start + size]
            values = sorted(latency for _, latency in part)
            middle = part[len(part) // 2][0]
            chart.segment((middle, values[0]), (middle, values[-1]), "#9cc4de" if colour == BLUE else "#d9d3cc")
            medians.append((middle, percentile(values, 50)))
        chart.line(medians, colour, 1.2)
    for border in borders:
        chart.segment((border, 0), (border, highest * 1.08), GREY, dashed=True)
    return chart.svg()


def throughput(results: Sequence[BatchResult]) -> str:
    """Draw images per second against the batch size, with intervals, one line for each boundary."""
    return _against_batch(
        results, lambda entry: (entry.images_per_s, entry.images_per_s_ci95), "images per second", "Throughput"
    )


def median_latency(results: Sequence[BatchResult]) -> str:
    """Draw the median latency against the batch size, with intervals, one line for each boundary."""
    return _against_batch(results, lambda entry: (entry.p50_ms, entry.p50_ci95_ms), "median latency in ms", "Latency")


def _against_batch(
    results: Sequence[BatchResult],
    pick: Callable[[BatchResult], tuple[float, tuple[float, float] | None]],
    label: str,
    title: str,
) -> str:
    """Draw a number with its interval; batch sizes stand at equal distances, since they are usually powers of two."""
    batches = sorted({entry.batch for entry in results})
    highest = max(limits[1] if limits else value for value, limits in map(pick, results))
    chart = Chart(
        x=(-0.5, len(batches) - 0.5),
        y=(0, highest * 1.18),
        x_label="images of one query",
        y_label=label,
        title=f"{title} against batch size",
        x_names={place: str(batch) for place, batch in enumerate(batches)},
    )
    for number, boundary in enumerate(dict.fromkeys(entry.boundary for entry in results)):
        mine = sorted((entry for entry in results if entry.boundary == boundary), key=lambda entry: entry.batch)
        colour = _COLOURS[boundary]
        points = [(batches.index(entry.batch), *pick(entry)) for entry in mine]
        chart.line([(place, value) for place, value, _ in points], colour)
        for place, value, limits in points:
            if limits:
                chart.segment((place, limits[0]), (place, limits[1]), colour, width=2.4)
            chart.dot(place, value, colour)
            chart.text(
                place, value, f"{value:,.4g}", up=-11 if number % 2 else 5, colour=colour, anchor="start", right=7
            )
    return chart.svg()


def search_chart(search: Search) -> str:
    """Draw the 99th percentile of each trial against its rate; trials that were given up stand at the top."""
    known = [trial.p99_ms for trial in search.trials if trial.p99_ms is not None]
    top = max([*known, search.slo_ms]) * 1.25
    chart = Chart(
        x=(0, search.ceiling_qps),
        y=(0, top * 1.05),
        x_label="arrivals per second",
        y_label="p99 latency in ms",
        title="Trials of the search of the highest rate",
    )
    chart.segment((0, search.slo_ms), (search.ceiling_qps, search.slo_ms), ORANGE, dashed=True)
    chart.text(0, search.slo_ms, f"  must hold: {search.slo_ms:g} ms", colour=ORANGE, anchor="start", up=5)
    for trial in search.trials:
        height = top if trial.p99_ms is None else trial.p99_ms
        chart.dot(trial.qps, height, BLUE if trial.held else ORANGE, hollow=not trial.held)
    if search.max_qps is not None:
        chart.rule(search.max_qps, f"{search.max_qps:.1f}/s", BLUE, row=8)
    return chart.svg()
