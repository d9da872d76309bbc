"""Comparisons of real engines: order, shapes and exit codes; how long a run takes decides nothing here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ran_deploy.bench.compare import compare
from ran_deploy.bench.interleave import Rounds
from ran_deploy.cli.app import run
from ran_deploy.cli.compare import report_lines
from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.manifest import manifest_path
from tests.bench.noise import noisy_rounds

QUICK = ["--rounds", "6", "--duration", "0", "--settle", "0", "--threads", "1"]


def test_an_engine_against_itself(make_engine: Any) -> None:
    path = make_engine()
    result = compare(path, path, batches=(1, 4), rounds=6, duration_s=0, settle_ms=0, threads=1)
    assert [entry.batch for entry in result.comparisons] == [1, 4]
    assert result.relation == "A and B are the same file"
    assert result.a == result.b
    for entry in result.comparisons:
        assert len(entry.a.round_p50_ms) == len(entry.b.round_p50_ms) == 6
        for ratio in (entry.latency, entry.time_per_image):
            assert ratio is not None
            assert ratio.ci95[0] <= ratio.value <= ratio.ci95[1]
    assert result.regressions == ()
    text = " ".join(" ".join(report_lines(result)).split())  # long paths break the line
    assert f"A {path} sha256 {result.a.sha256[:12]}…" in text
    assert json.dumps(to_mapping(result), allow_nan=False)


@pytest.fixture
def slow_down(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the clock: what the two engines do in their turns takes invented times, of which one thing is known."""

    def prepare(slowdown: float) -> list[Any]:
        source, asked = np.random.default_rng(4), []

        def invent(engines: Any, *, rounds: int, alternate: bool, more: Any, **_: Any) -> list[Rounds]:
            assert alternate
            asked.append([(session.info.engine, len(buffers[0])) for session, buffers in engines])
            times = noisy_rounds(source, 1000, slowdown=slowdown)
            while True:
                found = [
                    invented(len(buffers[0]), of[:rounds]) for (_, buffers), of in zip(engines, times, strict=True)
                ]
                further = more(found)
                if not further:
                    return found
                rounds += further

        monkeypatch.setattr("ran_deploy.bench.compare.measure_in_rounds", invent)
        return asked

    return prepare


def invented(batch: int, times_ms: npt.NDArray[np.float64]) -> Rounds:
    speeds = batch * 1000 / times_ms
    return Rounds(
        batch=batch,
        runs=len(times_ms),
        p50_ms=float(np.median(times_ms)),
        images_per_s=float(np.mean(speeds)),
        round_p50_ms=tuple(times_ms.tolist()),
        round_images_per_s=tuple(speeds.tolist()),
    )


def test_the_first_is_a_and_the_second_is_b(make_engine: Any, slow_down: Any) -> None:
    first = make_engine()
    second = first.with_name("second.onnx")
    for old, new in ((first, second), (manifest_path(first), manifest_path(second))):
        new.write_bytes(old.read_bytes())
    asked = slow_down(0.1)
    result = compare(first, second, batches=(1, 4), threads=1, fail_on_regression=0.03)
    assert asked == [[(str(first), 1), (str(second), 1)], [(str(first), 4), (str(second), 4)]]
    assert result.regressions == (1, 4)
    assert result.b.engine == str(second)
    for entry in result.comparisons:
        assert entry.latency.value == pytest.approx(1.1, abs=0.03)
        assert entry.time_per_image is not None
        assert entry.time_per_image.value == pytest.approx(1.1, abs=0.03)
        assert entry.verdict.name == "SLOWER"
    assert compare(first, second, threads=1, fail_on_regression=0.2).regressions == ()


def test_a_regression_is_code_7_with_the_whole_result(
    make_engine: Any, slow_down: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(make_engine())
    slow_down(0.1)
    assert run(["compare", path, path, "--batch", "1", "--fail-on-regression", "3%", "--json"]) == 7
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == "ran-deploy.compare/v1"
    assert document["regressions"] == [1]
    assert document["comparisons"][0]["verdict"]["name"] == "SLOWER"
    assert "slower than A by more than 3% at batch 1" in captured.err
    assert run(["compare", path, path, "--batch", "1"]) == 0  # nobody asked for a limit
    assert "SLOWER: B is surely more than 3% slower" in capsys.readouterr().out
    slow_down(-0.1)
    assert run(["compare", path, path, "--fail-on-regression", "0", "--metric", "throughput"]) == 0
    text = capsys.readouterr().out
    assert "FASTER: B is surely more than 3% faster" in text
    assert "no regression; allowed: 0% slower" in text
    assert "about the time per image of all runs" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-on-regression", "3"], "expected a share from 0% to below 100%"),
        (["--fail-on-regression", "3%%"], "expected a share"),
        (["--margin", "three"], "expected a share"),
        (["--margin", "-1%"], "expected a share"),
        (["--batch", "1,x"], "expected whole numbers"),
        (["--batch", "0"], "expected different numbers of at least 1"),
        (["--batch", "4,4"], "expected different numbers"),
        (["--rounds", "5"], "expected 6 to 1000"),
        (["--max-rounds", "5"], "--max-rounds is 5; expected 6 to 1000"),
        (["--max-rounds", "7"], "too few to look 2 times"),
        (["--duration", "-1"], "expected ≥ 0"),
        (["--settle", "-1"], "expected ≥ 0"),
        (["--runtime-b", "caffe"], "The runtime is 'caffe'"),
        (["--metric", "speed"], "'speed' is not one of"),
    ],
)
def test_wrong_options_are_code_2(
    arguments: list[str], said: str, make_engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(make_engine())
    assert run(["compare", path, path, *QUICK, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_rounds_go_on_until_the_verdict_is_clear(make_engine: Any, slow_down: Any) -> None:
    path = make_engine()
    slow_down(0.04)  # near the margin's edge: 40 rounds of such noise do not decide
    (undecided,) = compare(path, path, batches=(1,), rounds=40, max_rounds=40, threads=1).comparisons
    assert undecided.verdict.name == "AMBIGUOUS"
    assert len(undecided.a.round_p50_ms) == 40
    slow_down(0.04)
    result = compare(path, path, batches=(1,), rounds=40, max_rounds=1000, threads=1)
    (decided,) = result.comparisons
    assert decided.verdict.name == "SLOWER"
    assert len(decided.a.round_p50_ms) in (80, 160, 320, 640, 1000)
    assert "40 to 1000 (until decided" in result.order
    slow_down(0.3)
    (clear,) = compare(path, path, batches=(1,), threads=1).comparisons
    assert len(clear.a.round_p50_ms) == 40


def test_shares_are_read_both_ways() -> None:
    from ran_deploy.cli.compare import _share

    assert _share("--margin", "3%") == _share("--margin", "0.03") == 0.03
    assert _share("--margin", " 0 %") == 0


def test_wrong_files(make_engine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_engine()
    with pytest.raises(UsageError, match="does not exist"):
        compare(path, tmp_path / "no.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert run(["compare", str(path), str(path)]) == 5
    path.write_bytes(b"")
    assert run(["compare", str(path), str(path)]) == 5
