"""Each scenario and boundary on a tiny real engine, through the public function and the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.bench.benchmark import benchmark
from ran_deploy.cli.app import run
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.runtime.ort_session import OrtSession

_SHORT: dict[str, Any] = {"warmup_ms": 0, "duration_s": 0, "threads": 1}
_PATIENT: dict[str, Any] = {"scenario": "server", "max_duration_s": 600, **_SHORT}
"""A server whose queue is served to its end, however slow this machine is."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    source = np.random.default_rng(1)
    for place in range(3):
        pixels = source.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.jpg")
    return folder


@pytest.mark.parametrize(
    ("scenario", "batch", "percent"), [("single-stream", 1, 90), ("multi-stream", 8, 99), ("offline", 64, 50)]
)
def test_closed_loops(make_engine: Any, scenario: Any, batch: int, percent: float) -> None:
    result = benchmark(make_engine(), scenario=scenario, iterations=70, **_SHORT)
    (entry,) = result.results
    assert (entry.batch, entry.samples, entry.headline.percent) == (batch, 70, percent)
    assert result.scenario.startswith(f"{scenario}: ")
    assert entry.server is None
    assert entry.mean_ci95_ms is not None
    assert entry.mean_ci95_ms[0] <= entry.mean_ms <= entry.mean_ci95_ms[1]
    assert entry.images_per_s_ci95 is not None


def test_the_server_answers_what_is_due(make_engine: Any) -> None:
    result = benchmark(make_engine(), qps=1e5, iterations=700, workers=2, **_PATIENT)
    (entry,) = result.results
    assert entry.server is not None
    assert (entry.server.scheduled, entry.server.served, entry.samples) == (700, 700, 700)
    assert entry.server.offered_qps == 1e5
    assert entry.headline.ms == entry.p99_ms is not None
    assert entry.p99_ci95_ms is not None
    assert result.search is None


def test_too_few_queries_are_said(make_engine: Any) -> None:
    result = benchmark(make_engine(), qps=1e4, iterations=20, **_PATIENT)
    assert any("needs 662 queries: add --iterations 662" in note for note in result.notes)


def test_the_search_reports_its_trials(make_engine: Any) -> None:
    # A bound so loose that every rate holds: the outcome does not depend on how fast this machine is.
    result = benchmark(make_engine(), find_max_qps=True, slo_ms=1e7, trials=2, **_PATIENT)
    assert result.search is not None
    assert [trial.held for trial in result.search.trials] == [True, True, True]
    assert result.search.max_qps == result.search.trials[1].qps
    assert result.results[0].server is not None
    assert result.results[0].server.offered_qps == result.search.max_qps


def test_no_rate_holds_the_impossible(make_engine: Any, tmp_path: Path) -> None:
    html = tmp_path / "r.html"
    result = benchmark(make_engine(), scenario="server", find_max_qps=True, slo_ms=1e-6, trials=2, html=html, **_SHORT)
    assert result.results == ()
    assert result.search is not None
    assert result.search.max_qps is None
    assert any("No rate that was tried" in note for note in result.notes)
    assert "given up" in html.read_text()


def test_both_boundaries_are_told_apart(make_engine: Any, photos: Path) -> None:
    result = benchmark(make_engine(), boundary="both", batches=(1, 4), images=photos, iterations=12, **_SHORT)
    assert [(entry.boundary, entry.batch) for entry in result.results] == [
        ("engine", 1),
        ("engine", 4),
        ("end-to-end", 1),
        ("end-to-end", 4),
    ]
    assert result.boundaries["end-to-end"].startswith("end to end: encoded images in memory in")
    assert result.boundary == result.boundaries["engine"]


def test_the_device_is_a_boundary_of_its_own(make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_timed(self: OrtSession, images: Any) -> tuple[Any, float]:
        return self.run(images), 1.25

    monkeypatch.setattr(OrtSession, "run_timed", run_timed, raising=False)
    host, device = benchmark(make_engine(), batches=(4,), iterations=10, **_SHORT).results
    assert (host.boundary, device.boundary) == ("engine", "device")
    assert (device.p50_ms, device.mean_ms, device.images_per_s) == (1.25, 1.25, 3200)


def test_decoding_needs_images(make_engine: Any) -> None:
    with pytest.raises(UsageError, match="decodes real images") as caught:
        benchmark(make_engine(), boundary="end-to-end", **_SHORT)
    assert "samples" in caught.value.fix


def test_a_damaged_image_is_found_before(make_engine: Any, photos: Path) -> None:
    (photos / "0.jpg").write_bytes(b"not an image")
    with pytest.raises(IntegrityError, match=r"0\.jpg"):
        benchmark(make_engine(), boundary="end-to-end", images=photos, **_SHORT)


def test_fresh_processes_are_measured_apart(make_engine: Any) -> None:
    result = benchmark(make_engine(), batches=(2,), iterations=40, processes=2, **_SHORT)
    (entry,) = result.results
    assert entry.samples == 80
    assert len(entry.process_p50_ms) == len(result.starts) == 2
    assert entry.process_spread is not None
    assert min(entry.process_p50_ms) <= entry.p50_ms <= max(entry.process_p50_ms)
    assert all(start.load_s > 0 for start in result.starts)


def test_what_a_process_raises_is_raised_here(make_engine: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as caught:
        benchmark(tmp_path / "none.onnx", processes=2, **_SHORT)
    assert caught.value.exit_code == 2
    path = make_engine()
    path.write_bytes(b"broken")
    with pytest.raises(IntegrityError) as damaged:
        benchmark(path, processes=2, **_SHORT)
    assert damaged.value.fix


def test_the_command_to_repeat_it_is_accepted(make_engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    path = make_engine()
    command = ["--scenario", "server", "--qps", "5000", "--duration", "0.01", "--iterations", "30", "--workers", "2"]
    assert run(["bench", "--engine", str(path), *command, "--warmUp", "0", "--percentile", "50,90", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert run([*shlex.split(first["command"])[1:], "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["options"] == first["options"]
    assert again["command"] == first["command"]


@pytest.mark.parametrize(
    "options",
    [
        ["--scenario", "sometimes"],
        ["--scenario", "server", "--qps", "0"],
        ["--scenario", "server", "--qps", "x"],
        ["--slo-ms", "5"],
        ["--scenario", "offline", "--find-max-qps"],
        ["--percentile", "90,"],
        ["--percentile", "101"],
        ["--boundary", "gpu"],
        ["--processes", "0"],
        ["--html", "/proc/none/report.html"],
        ["--csv", "."],
        ["--csv", "engine.onnx"],
        ["--exportTimes", "times.csv"],
    ],
)
def test_bad_options_end_with_code_two_before_anything_runs(
    options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The engine does not exist: only what is checked before it is opened can be what is refused.
    assert run(["bench", "--engine", "none.onnx", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "none.onnx" not in error
    assert list(tmp_path.iterdir()) == []
