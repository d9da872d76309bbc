"""One page that shows a benchmark to somebody who was not there; it needs no network and no other file."""

from collections.abc import Sequence
from pathlib import Path

from ran_deploy.bench.histogram import make_histogram
from ran_deploy.bench.report_cards import cards as of_result
from ran_deploy.bench.report_charts import median_latency, search_chart, throughput, time_line
from ran_deploy.bench.report_facts import environment_facts, lineage_facts, method_facts
from ran_deploy.bench.report_histogram import histogram
from ran_deploy.bench.report_tables import parent_table, results_table
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BenchResult
from ran_deploy.files import write_text
from ran_deploy.report.html import (
    NOTHING,
    Html,
    cards,
    commands,
    document,
    element,
    facts,
    join,
    notes,
    paragraph,
    text,
)
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.words import moment


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
    where = f"{session.runtime} · {session.provider} · {session.precision} · {threads} · {moment(result.created)}"
    header = [
        element("h1", text(f"Benchmark of {name}")),
        paragraph(where, kind="soft"),
        paragraph(f"Scenario {result.scenario}."),
    ]
    parts = [
        cards(of_result(result)),
        notes(result.notes),
        _section("Latency and throughput", results_table(result) if result.results else NOTHING),
        _search(result),
        *_charts(result, processes),
        _section(
            "Against its float32 parent", parent_table(result.against_parent) if result.against_parent else NOTHING
        ),
        _section("How it was measured", facts(method_facts(result))),
        _section("Where it was measured", facts(environment_facts(result))),
        _section("What was measured", facts(lineage_facts(result), as_code=True)),
        _section("Repeat it", commands(result.command)),
    ]
    version = result.environment.versions.get("ran-deploy", "")
    return document(
        f"Benchmark of {name}",
        header=join(header),
        main=join(parts),
        footer=f"Written by ran-deploy {version}; this page needs no network.",
    )


def _section(title: str, content: Html) -> Html:
    return join([element("h2", text(title)), content]) if content else NOTHING


def _search(result: BenchResult) -> Html:
    if result.search is None:
        return NOTHING
    rule = paragraph(f"{result.search.rule}.", kind="soft")
    return _section("The search of the highest rate", join([rule, gallery([search_chart(result.search)], single=True)]))


def _charts(result: BenchResult, processes: Sequence[Measured]) -> list[Html]:
    parts = []
    if len({entry.batch for entry in result.results}) > 1:
        both = gallery([throughput(result.results), median_latency(result.results)])
        parts.append(_section("Against batch size", both))
    pictures: list[Picture] = []
    for place, entry in enumerate(result.results):
        series = [measured.series[place] for measured in processes]
        bins = make_histogram(sorted(ms for one in series for ms in one.latencies_ms))
        pictures += [histogram(f"Batch {entry.batch}, {entry.boundary}: distribution", entry, bins), time_line(series)]
    parts.append(_section("Latencies", gallery(pictures)))
    return parts
