"""The tables of a report."""

from ran_deploy.bench.against_parent import AgainstParent
from ran_deploy.bench.result import BatchResult, BenchResult
from ran_deploy.bench.search import Search
from ran_deploy.report.html import Html, cell, join, paragraph, table
from ran_deploy.report.words import interval, ms, rate


def results_table(result: BenchResult) -> Html:
    """Return the statistics of each batch size and boundary, each with its interval below it."""
    several = len(result.boundaries) > 1
    fresh = any(entry.process_spread is not None for entry in result.results)
    percents = [f"p{percent:g}" for percent in result.options.percentiles]
    header = [
        "batch",
        *(["boundary"] if several else []),
        "verdict",
        *("runs", "mean ms", "p50", *percents, "max", "cv", "images/s"),
        *(["processes"] if fresh else []),
    ]
    rows = [_row(entry, boundary=several, spread=fresh) for entry in result.results]
    words = "Below each number: its 95% interval. n<N: too few runs. cv: standard deviation over mean."
    if fresh:
        words += " processes: half the spread of their medians."
    return table(
        "Latency and throughput", header, rows, align=("", "left", "left") if several else ("", "left"), foot=words
    )


def _row(entry: BatchResult, *, boundary: bool, spread: bool) -> list[Html]:
    limits = entry.images_per_s_ci95
    verdict = cell("stable", kind="good") if entry.stable else cell("unstable", kind="bad")
    cells = [
        cell(f"n<{one.needs:,}") if one.ms is None else cell(ms(one.ms), interval(one.ci95_ms))
        for one in entry.percentiles
    ]
    return [
        cell(str(entry.batch)),
        *([cell(entry.boundary)] if boundary else []),
        verdict,
        cell(f"{entry.samples:,}"),
        cell(ms(entry.mean_ms), interval(entry.mean_ci95_ms)),
        cell(ms(entry.p50_ms), interval(entry.p50_ci95_ms)),
        *cells,
        cell(ms(entry.max_ms)),
        cell(f"{100 * entry.cv:.1f}%"),
        cell(rate(entry.images_per_s), f"{rate(limits[0])} to {rate(limits[1])}" if limits else ""),
        *([cell(f"±{50 * (entry.process_spread or 0):.1f}%")] if spread else []),
    ]


def search_table(search: Search) -> Html:
    """Return every trial of a search."""
    rows = [
        [
            cell(str(place)),
            cell(f"{trial.qps:.2f}"),
            cell(f"{trial.queries:,}"),
            cell("given up" if trial.p99_ms is None else ms(trial.p99_ms)),
            cell("yes" if trial.held else "no"),
            cell("confirms" if trial.confirms else ""),
        ]
        for place, trial in enumerate(search.trials, 1)
    ]
    header = ["trial", "queries/s", "served", "p99 ms", "held", "role"]
    return table("Trials of the search", header, rows)


def parent_table(against: AgainstParent) -> Html:
    """Return the engine beside its float32 parent, with a sentence for each batch size."""
    rows = [
        [
            cell(str(entry.batch)),
            cell(ms(entry.p50_ms)),
            cell(ms(entry.parent_p50_ms)),
            cell(f"{entry.speed.value:.2f}", f"{entry.speed.ci95[0]:.2f} to {entry.speed.ci95[1]:.2f}"),
        ]
        for entry in against.batches
    ]
    source = f"Parent: {against.parent}, sha256 {against.sha256[:12]}…, in {against.rounds} rounds in turn."
    header = ["batch", "this p50 ms", "float32 p50 ms", "speed over float32"]
    words = [paragraph(entry.text) for entry in against.batches]
    return join([table("Against float32", header, rows), *words, paragraph(source, kind="soft")])
