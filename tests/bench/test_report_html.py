"""The report on a real, tiny run: well formed, self-contained, and safe against names with markup in them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench import benchmark as module
from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.processes import measure_in_processes
from ran_deploy.bench.report_html import render
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BenchResult
from tests.report.page import Page, check_sound


@pytest.fixture
def run(make_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[BenchResult, list[Measured]]:
    kept: list[Measured] = []

    def keep(request: Any) -> list[Measured]:
        kept.extend(measure_in_processes(request))
        return kept

    monkeypatch.setattr(module, "measure_in_processes", keep)
    result = benchmark(make_engine(), batches=(1, 4), warmup_ms=0, duration_s=0, iterations=700, threads=1)
    return result, kept


def test_the_page_is_whole_and_needs_nothing_from_outside(run: tuple[BenchResult, list[Measured]]) -> None:
    result, processes = run
    text = render(result, processes)
    page = check_sound(text)
    assert page.met.count("svg") == 6  # throughput, median; a histogram and a time line for each batch size
    for part in (result.command, result.session.sha256, result.percentile_rule, result.environment.cpu):
        assert " ".join(part.split()) in page.words


def test_names_are_not_markup(run: tuple[BenchResult, list[Measured]]) -> None:
    result, processes = run
    evil = '<script>alert("x")&'
    text = render(replace(result, engine=f"a/{evil}.onnx", command=evil, notes=(evil,)), processes)
    page = Page(text)
    assert "script" not in page.met
    assert page.open == []
    assert text.count("&lt;script&gt;") >= 3


def test_every_process_is_drawn(run: tuple[BenchResult, list[Measured]]) -> None:
    result, processes = run
    once, twice = render(result, processes), render(result, [*processes, *processes])
    assert twice.count('stroke-dasharray="4 3"') == once.count('stroke-dasharray="4 3"') + 2  # a border for each series
