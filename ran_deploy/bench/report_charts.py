"""The charts of a report: how latencies went on, throughput and latency against the batch size, the search."""

from collections.abc import Callable, Sequence

from ran_deploy.bench.loop import NS_PER_S
from ran_deploy.bench.report_histogram import COLOURS
from ran_deploy.bench.report_tables import search_table
from ran_deploy.bench.result import BatchResult
from ran_deploy.bench.search import Search
from ran_deploy.bench.series import Series
from ran_deploy.bench.statistics import percentile
from ran_deploy.report.chart import Chart
from ran_deploy.report.html import cell, table
from ran_deploy.report.marks import SHAPES
from ran_deploy.report.palette import BAND, BLUE, ORANGE, SOFT
from ran_deploy.report.picture import Picture
from ran_deploy.report.words import ms, rate

_POINTS = 320
_ROWS = 10


def time_line(series: Sequence[Series]) -> Picture:
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
    title = f"Batch {first.batch}, {first.boundary}: over time"
    chart = Chart(
        x=(0, points[-1][0]),
        y=(0, highest * 1.08),
        x_label="time of measurement in s",
        y_label="latency in ms",
        title=title,
        about=f"{len(points):,} latencies, each at the moment at which it began.",
    )
    colour = COLOURS[first.boundary]
    if len(points) <= _POINTS:
        for x, y in points:
            chart.dot(x, y, colour, radius=1.7)
    else:
        medians = []
        for part in _parts(points, _POINTS):
            values = sorted(latency for _, latency in part)
            middle = part[len(part) // 2][0]
            chart.segment((middle, values[0]), (middle, values[-1]), BAND)
            medians.append((middle, percentile(values, 50)))
        chart.line(medians, colour, 1.2)
    for border in borders:
        chart.segment((border, 0), (border, highest * 1.08), SOFT, dashed=True)
    rows = []
    for part in _parts(points, _ROWS):
        values = sorted(latency for _, latency in part)
        numbers = (values[0], percentile(values, 50), values[-1])
        rows.append([cell(f"{part[0][0]:.2f} to {part[-1][0]:.2f}"), *(cell(ms(value)) for value in numbers)])
    return Picture(title=title, svg=chart.svg(), data=table(title, ["s", "least ms", "median ms", "most ms"], rows))


def _parts(points: list[tuple[float, float]], most: int) -> list[list[tuple[float, float]]]:
    size = -(-len(points) // most)
    return [points[start : start + size] for start in range(0, len(points), size)]


def throughput(results: Sequence[BatchResult]) -> Picture:
    """Draw images per second against the batch size, with intervals, one line for each boundary."""
    return _against_batch(
        results, lambda entry: (entry.images_per_s, entry.images_per_s_ci95), rate, "images per second", "Throughput"
    )


def median_latency(results: Sequence[BatchResult]) -> Picture:
    """Draw the median latency against the batch size, with intervals, one line for each boundary."""
    return _against_batch(
        results, lambda entry: (entry.p50_ms, entry.p50_ci95_ms), ms, "median latency in ms", "Latency"
    )


def _against_batch(
    results: Sequence[BatchResult],
    pick: Callable[[BatchResult], tuple[float, tuple[float, float] | None]],
    write: Callable[[float], str],
    label: str,
    what: str,
) -> Picture:
    """Draw a number with its interval; batch sizes stand at equal distances, since they are usually powers of two."""
    batches = sorted({entry.batch for entry in results})
    highest = max(limits[1] if limits else value for value, limits in map(pick, results))
    title = f"{what} against batch size"
    chart = Chart(
        x=(-0.5, len(batches) - 0.5),
        y=(0, highest * 1.18),
        x_label="images of one query",
        y_label=label,
        title=title,
        about="Vertical bars are 95% intervals.",
        x_names={place: str(batch) for place, batch in enumerate(batches)},
    )
    boundaries = list(dict.fromkeys(entry.boundary for entry in results))
    for place, boundary in enumerate(boundaries):
        mine = sorted((entry for entry in results if entry.boundary == boundary), key=lambda entry: entry.batch)
        _line(chart, [(batches.index(entry.batch), *pick(entry)) for entry in mine], boundary, place)
    rows = []
    for entry in results:
        value, limits = pick(entry)
        between = f"{write(limits[0])} to {write(limits[1])}" if limits else ""
        rows.append([cell(str(entry.batch)), cell(entry.boundary), cell(write(value), between)])
    key = f"{', '.join(f'{one} {_NAMES[one]}' for one in boundaries)}." if len(boundaries) > 1 else ""
    return Picture(
        title=title,
        svg=chart.svg(),
        data=table(title, ["batch", "boundary", f"{label}, 95% interval"], rows, align=("", "left")),
        caption=f"Bars: 95% intervals. {key}".rstrip(),
    )


_NAMES = {"engine": "blue circles", "end-to-end": "orange squares", "device": "green diamonds"}


def _line(chart: Chart, points: list[tuple[int, float, tuple[float, float] | None]], boundary: str, place: int) -> None:
    colour = COLOURS[boundary]
    chart.line([(x, value) for x, value, _ in points], colour)
    for x, value, limits in points:
        if limits:
            chart.segment((x, limits[0]), (x, limits[1]), colour, width=2.4)
        chart.dot(x, value, colour, shape=SHAPES[list(COLOURS).index(boundary)])
        chart.text(x, value, f"{value:,.4g}", up=-11 if place % 2 else 5, colour=colour, anchor="start", right=7)


def search_chart(search: Search) -> Picture:
    """Draw the 99th percentile of each trial against its rate; trials that were given up stand at the top."""
    known = [trial.p99_ms for trial in search.trials if trial.p99_ms is not None]
    top = max([*known, search.slo_ms]) * 1.25
    title = "Trials of the search of the highest rate"
    chart = Chart(
        x=(0, search.ceiling_qps),
        y=(0, top * 1.05),
        x_label="arrivals per second",
        y_label="p99 latency in ms",
        title=title,
        about="Filled: the rate held; hollow: it did not.",
    )
    chart.segment((0, search.slo_ms), (search.ceiling_qps, search.slo_ms), ORANGE, dashed=True)
    chart.text(0, search.slo_ms, f"must hold: {search.slo_ms:g} ms", colour=ORANGE, anchor="start", up=5, right=8)
    for trial in search.trials:
        height = top if trial.p99_ms is None else trial.p99_ms
        chart.dot(trial.qps, height, BLUE if trial.held else ORANGE, hollow=not trial.held)
    if search.max_qps is not None:
        chart.rule(search.max_qps, f"{search.max_qps:.1f}/s", BLUE, row=7)
    return Picture(
        title=title,
        svg=chart.svg(),
        data=search_table(search),
        caption="Hollow: the rate did not hold; at the top: given up early.",
    )
