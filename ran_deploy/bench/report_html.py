"""One page that shows a benchmark to somebody who was not there; it needs no network and no other file."""

import html
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.bench.report_charts import histogram, median_latency, search_chart, throughput, time_line
from ran_deploy.bench.report_facts import environment_facts, lineage_facts, method_facts
from ran_deploy.bench.report_style import CSS
from ran_deploy.bench.report_tables import parent_table, results_table, search_table
from ran_deploy.bench.report_words import cards
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BenchResult
from ran_deploy.files import write_text


def write_html(result: BenchResult, processes: Sequence[Measured], path: Path) -> None:
    """Write the report of a benchmark.

    Args:
        result: The statistics.
        processes: The raw samples behind them.
        path: The ``.html`` file.

    Raises:
        UsageError: The file cannot be written.
    """
    write_text(path, render(result, processes))


def render(result: BenchResult, processes: Sequence[Measured]) -> str:
    """Return the report as one HTML document: styles and pictures inside, nothing from outside."""
    name, session = Path(result.engine).name, result.session
    threads = f"{session.threads} thread{'s' if session.threads > 1 else ''}"
    subtitle = f"{session.runtime} · {session.provider} · {session.precision} · {threads} · {_moment(result.created)}"
    parts = [
        f"<h1>Benchmark of {_text(name)}</h1>",
        f'<p class="soft">{_text(subtitle)}</p>',
        f"<p>Scenario {_text(result.scenario)}.</p>",
        _cards(result),
        _notes(result.notes),
    ]
    if result.results:
        parts += ["<h2>Latency and throughput</h2>", results_table(result)]
    parts += [*_search(result), *_charts(result, processes), *_parent(result)]
    parts += ["<h2>How it was measured</h2>", _facts(method_facts(result))]
    parts += ["<h2>Where it was measured</h2>", _facts(environment_facts(result))]
    parts += ["<h2>What was measured</h2>", _facts(lineage_facts(result), code=True)]
    parts += ["<h2>Repeat it</h2>", f"<pre>{_text(result.command)}</pre>"]
    version = result.environment.versions.get("ran-deploy", "")
    parts.append(f"<footer>Written by ran-deploy {_text(version)}; this page needs no network.</footer>")
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Benchmark of {_text(name)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _moment(created: str) -> str:
    return f"{created[:10]} {created[11:16]} UTC"


def _text(value: str) -> str:
    return html.escape(value)


def _cards(result: BenchResult) -> str:
    inside = "".join(
        f'<div class="card"><small>{_text(what)}</small><b>{_text(value)}</b><small>{_text(more)}</small></div>'
        for what, value, more in cards(result)
    )
    return f'<div class="cards">{inside}</div>'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f'<div class="notes"><ul>{"".join(f"<li>{_text(note)}</li>" for note in notes)}</ul></div>'


def _search(result: BenchResult) -> list[str]:
    if result.search is None:
        return []
    return [
        "<h2>The search of the highest rate</h2>",
        f'<p class="soft">{_text(result.search.rule)}. Hollow: the rate did not hold; at the top: given up early.</p>',
        f'<div class="charts"><figure>{search_chart(result.search)}</figure>{search_table(result.search)}</div>',
    ]


def _charts(result: BenchResult, processes: Sequence[Measured]) -> list[str]:
    parts = []
    if len({entry.batch for entry in result.results}) > 1:
        colours = "Blue: engine; orange: end to end; green: device. " if len(result.boundaries) > 1 else ""
        parts += [
            "<h2>Against batch size</h2>",
            f'<div class="charts"><figure><h3>Images per second</h3>{throughput(result.results)}</figure>'
            f"<figure><h3>Median latency</h3>{median_latency(result.results)}</figure></div>",
            f'<p class="soft">{colours}Bars: 95% intervals.</p>',
        ]
    figures = []
    for place, entry in enumerate(result.results):
        series = [measured.series[place] for measured in processes]
        latencies = [latency for one in series for latency in one.latencies_ms]
        name = _text(f"Batch {entry.batch}, {entry.boundary}")
        figures.append(f"<figure><h3>{name}: distribution</h3>{histogram(latencies, entry)}</figure>")
        figures.append(f"<figure><h3>{name}: over time</h3>{time_line(series)}</figure>")
    if figures:
        parts += ["<h2>Latencies</h2>", f'<div class="charts">{"".join(figures)}</div>']
    return parts


def _parent(result: BenchResult) -> list[str]:
    if result.against_parent is None:
        return []
    return ["<h2>Against its float32 parent</h2>", parent_table(result.against_parent)]


def _facts(facts: Sequence[tuple[str, str]], *, code: bool = False) -> str:
    opened, closed = ("<code>", "</code>") if code else ("", "")
    rows = "".join(f"<dt>{_text(what)}</dt><dd>{opened}{_text(value)}{closed}</dd>" for what, value in facts)
    return f"<dl>{rows}</dl>"
