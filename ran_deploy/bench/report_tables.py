"""The tables of a report."""

import html
from collections.abc import Sequence

from ran_deploy.bench.against_parent import AgainstParent
from ran_deploy.bench.report_words import interval, ms, rate
from ran_deploy.bench.result import BatchResult, BenchResult
from ran_deploy.bench.search import Search


def results_table(result: BenchResult) -> str:
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
    words = "Below each number: its 95% interval. n&lt;N: too few runs. cv: standard deviation over mean."
    if fresh:
        words += " processes: half the spread of their medians."
    return _table(header, rows) + f'<p class="soft">{words}</p>'


def _row(entry: BatchResult, *, boundary: bool, spread: bool) -> list[str]:
    limits = entry.images_per_s_ci95
    verdict = '<span class="good">stable</span>' if entry.stable else '<span class="bad">unstable</span>'
    cells = [
        _cell(f"n<{one.needs:,}") if one.ms is None else _cell(ms(one.ms), interval(one.ci95_ms))
        for one in entry.percentiles
    ]
    return [
        _cell(str(entry.batch)),
        *([_cell(entry.boundary)] if boundary else []),
        verdict,
        _cell(f"{entry.samples:,}"),
        _cell(ms(entry.mean_ms), interval(entry.mean_ci95_ms)),
        _cell(ms(entry.p50_ms), interval(entry.p50_ci95_ms)),
        *cells,
        _cell(ms(entry.max_ms)),
        _cell(f"{100 * entry.cv:.1f}%"),
        _cell(rate(entry.images_per_s), f"{rate(limits[0])} to {rate(limits[1])}" if limits else ""),
        *([_cell(f"±{50 * (entry.process_spread or 0):.1f}%")] if spread else []),
    ]


def search_table(search: Search) -> str:
    """Return every trial of a search."""
    rows = [
        [
            _cell(str(place)),
            _cell(f"{trial.qps:.2f}"),
            _cell(f"{trial.queries:,}"),
            _cell("given up" if trial.p99_ms is None else ms(trial.p99_ms)),
            _cell("yes" if trial.held else "no"),
            _cell("confirms" if trial.confirms else ""),
        ]
        for place, trial in enumerate(search.trials, 1)
    ]
    return _table(["trial", "queries/s", "served", "p99 ms", "held", ""], rows)


def parent_table(against: AgainstParent) -> str:
    """Return the engine beside its float32 parent, with a sentence for each batch size."""
    rows = [
        [
            _cell(str(entry.batch)),
            _cell(ms(entry.p50_ms)),
            _cell(ms(entry.parent_p50_ms)),
            _cell(f"{entry.speed.value:.2f}", f"{entry.speed.ci95[0]:.2f} to {entry.speed.ci95[1]:.2f}"),
        ]
        for entry in against.batches
    ]
    words = "".join(f"<p>{html.escape(entry.text)}</p>" for entry in against.batches)
    source = html.escape(f"{against.parent}, sha256 {against.sha256[:12]}…, in {against.rounds} rounds in turn")
    table = _table(["batch", "this p50 ms", "float32 p50 ms", "speed over float32"], rows)
    return f'{table}{words}<p class="soft">Parent: {source}.</p>'


def _cell(text: str, below: str = "") -> str:
    return html.escape(text) + (f"<small>{html.escape(below)}</small>" if below else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
