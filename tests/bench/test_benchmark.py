import gc
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.options import BenchOptions
from ran_deploy.cli.app import run
from ran_deploy.errors import UnstableError, UsageError
from ran_deploy.runtime.ort_session import OrtSession


def test_measures_each_batch_size(make_engine: Any) -> None:
    path = make_engine()
    result = benchmark(path, batches=(1, 4), warmup_ms=0, duration_s=0, iterations=70, threads=1)
    assert [entry.batch for entry in result.results] == [1, 4]
    for entry in result.results:
        assert entry.samples == 70
        assert 0 < entry.min_ms <= entry.p50_ms <= entry.max_ms
        assert entry.p90_ms is not None
        assert (entry.p95_ms, entry.p99_ms) == (None, None)
        # The wall-clock time holds all latencies and the little between them.
        assert entry.images_per_s <= 1000 * entry.batch / entry.mean_ms * 1.001
    assert result.engine == str(path)
    assert result.session.threads == 1
    assert result.boundary == "host: one synchronous run() call, uint8 batch in, float32 logits out"
    assert result.first_inference_ms > 0
    assert result.load_s > 0


def test_goes_on_for_the_duration(make_engine: Any) -> None:
    (entry,) = benchmark(make_engine(), batches=(1,), warmup_ms=0, duration_s=0.05, iterations=1).results
    assert entry.samples / entry.images_per_s >= 0.05  # no longer than the engine needs, but at least that


def test_warms_up_first_without_garbage_collection_later(make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []
    compute = OrtSession.run

    def run_and_watch(self: OrtSession, images: Any) -> Any:
        collecting.append(gc.isenabled())
        return compute(self, images)

    monkeypatch.setattr(OrtSession, "run", run_and_watch)
    benchmark(make_engine(), batches=(1,), warmup_ms=0, duration_s=0, iterations=10)
    assert collecting == [True, True] + [False] * 10  # the first run, the warm-up, the measured runs
    assert gc.isenabled()


def test_feeds_real_images(make_engine: Any, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "one.png")
    result = benchmark(make_engine(), batches=(2,), warmup_ms=0, duration_s=0, images=folder)
    assert result.inputs == f"1 image from {folder}, in rotating batches"


def test_unstable_fails_only_when_asked(make_engine: Any) -> None:
    path = make_engine()
    short: dict[str, Any] = {"batches": (1,), "warmup_ms": 0, "duration_s": 0, "iterations": 5}
    assert not benchmark(path, **short).results[0].stable
    with pytest.raises(UnstableError, match="at batch 1 are unstable") as caught:
        benchmark(path, **short, fail_on_unstable=True)
    assert caught.value.exit_code == 7
    assert caught.value.details["results"][0]["samples"] == 5


@pytest.mark.parametrize(
    "options",
    [
        {"batches": ()},
        {"batches": (0,)},
        {"batches": (1, -8)},
        {"batches": (1, 1)},
        {"warmup_ms": -1},
        {"duration_s": -0.5},
        {"duration_s": float("nan")},
        {"duration_s": float("inf")},
        {"iterations": 0},
    ],
)
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(UsageError):
        BenchOptions(**options)


def test_command_prints_json(make_engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "--loadEngine", str(make_engine()), "--batch", "1,2", "--warmUp", "1", "--duration", "0.01"]
    assert run([*command, "--iterations", "12", "--threads", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["schema"] == "ran-deploy.bench/v1"
    assert set(document["results"][0]) >= {"batch", "samples", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "images_per_s"}
    assert [entry["batch"] for entry in document["results"]] == [1, 2]
    assert document["environment"]["cpu"]
    assert document["options"]["warmup_ms"] == 1


def test_command_prints_a_table(make_engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "--engine", str(make_engine()), "--batch", "1", "--duration", "0", "--iterations", "9"]
    assert run([*command, "--warm-up", "0"]) == 0
    output = capsys.readouterr()
    header, row, footnote = output.out.splitlines()[-3:]
    cells = dict(zip(header.replace("mean ms", "mean").split(), row.split(), strict=True))
    assert (cells["batch"], cells["runs"], cells["p90"], cells["p99"]) == ("1", "9", "n<64", "n<662")
    assert footnote.startswith("n<N: ")
    assert "Unstable at batch 1" in output.err


def test_averages_of_runs_in_a_row(
    make_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["bench", "--engine", str(make_engine()), "--batch", "1", "--duration", "0", "--iterations", "11"]
    assert run([*command, "--warmUp", "0", "--avgRuns", "5", "--max-duration", "0", "--csv", "raw.csv", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["results"]
    latencies = [float(line.split(",")[-1]) for line in Path("raw.csv").read_text().splitlines()[1:]]
    assert entry["run_averages_ms"] == pytest.approx([sum(latencies[:5]) / 5, sum(latencies[5:10]) / 5], abs=1e-5)
    assert run([*command, "--avg-runs", "5"]) == 0
    assert "batch 1, engine: 2 averages of 5 runs in a row, " in capsys.readouterr().out


@pytest.mark.parametrize("sizes", ["", "1,", "x", "1.5", "0", "-1"])
def test_command_on_bad_batch_sizes(make_engine: Any, sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--engine", str(make_engine()), f"--batch={sizes}"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
