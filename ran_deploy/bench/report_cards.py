"""Which numbers of a benchmark stand on top of its report."""

from ran_deploy.bench.result import BatchResult, BenchResult
from ran_deploy.report.words import interval, mebibytes, ms, rate


def cards(result: BenchResult) -> list[tuple[str, str, str]]:
    """Return what stands on top of a report: what it is, the number, and what belongs to it."""
    found = []
    if result.search is not None:
        search = result.search
        value = "none" if search.max_qps is None else f"{search.max_qps:.1f}/s"
        found.append(("highest rate", value, f"with p99 at most {search.slo_ms:g} ms"))
    several = len(result.boundaries) > 1
    shown = [result.results[0], result.results[-1]] if len(result.results) > 1 else list(result.results)
    if several:
        shown = [next(entry for entry in result.results if entry.boundary == name) for name in result.boundaries]
    for entry in shown:
        found += _of(entry, several)
    found += [
        ("load", f"{1000 * result.load_s:.0f} ms", "to open the engine"),
        ("first run", f"{ms(result.first_inference_ms)} ms", "before anything is warm"),
        ("memory", mebibytes(result.peak_rss_bytes), "most held by the process"),
    ]
    return found


def _of(entry: BatchResult, several: bool) -> list[tuple[str, str, str]]:
    where = f"batch {entry.batch}" + (f", {entry.boundary}" if several else "")
    headline = entry.headline
    if headline.ms is None:
        latency = (f"median, {where}", f"{ms(entry.p50_ms)} ms", f"p{headline.percent:g} needs {headline.needs:,} runs")
    else:
        name = "median" if headline.percent == 50 else f"p{headline.percent:g}"
        limits = f"95%: {interval(headline.ci95_ms)}" if headline.ci95_ms else f"{entry.samples:,} runs"
        latency = (f"{name}, {where}", f"{ms(headline.ms)} ms", limits)
    if entry.server is not None:
        due = f"of {entry.server.offered_qps:.1f} due each second"
        return [latency, ("answered", f"{entry.server.achieved_qps:.1f}/s", due)]
    speeds = entry.images_per_s_ci95
    more = f"95%: {rate(speeds[0])} to {rate(speeds[1])}" if speeds else "images per second"
    return [latency, (f"images/s, {where}", rate(entry.images_per_s), more)]
