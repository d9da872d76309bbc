"""The report on a real, tiny run: well formed, self-contained, and safe against names with markup in them."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench import benchmark as module
from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.processes import measure_in_processes
from ran_deploy.bench.report_html import render
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BenchResult

_VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Notes what is open, what was met, and what points outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not (self.get_starttag_text() or "").endswith("/>") or (self.open and self.open[-1] == tag):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


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
    page = Page(text)
    assert page.open == []
    assert page.met.count("svg") == 6  # throughput, median; a histogram and a time line for each batch size
    assert not {"script", "link", "img", "iframe", "object"} & set(page.met)
    assert not [name for name, _ in page.attributes if name in ("src", "srcset") or name.startswith("on")]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text
    words = " ".join(page.text)
    for part in (result.command, result.session.sha256, result.percentile_rule, result.environment.cpu):
        assert part in words
    assert "nan" not in text
    assert 'inf"' not in text


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
