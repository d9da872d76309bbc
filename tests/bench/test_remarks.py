"""What a reader is told to doubt: from a real result whose numbers are then changed by hand."""

from dataclasses import replace
from typing import Any

import pytest

from ran_deploy.bench.activity import OtherProcess
from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.remarks import remarks
from ran_deploy.bench.result import BenchResult


@pytest.fixture
def calm(make_engine: Any) -> BenchResult:
    result = benchmark(make_engine(), batches=(1, 4), warmup_ms=0, duration_s=0, iterations=40, threads=1)
    return replace(
        result,
        results=tuple(replace(entry, stable=True, stability="stable: by hand") for entry in result.results),
        environment=replace(result.environment, load_average_1min=0.1, cpus=2, governor=None),
        activity=replace(
            result.activity, own_cpus=1.0, busy_cpus=1.05, stolen_share=0.0, throttled_periods=0, others=()
        ),
    )


def test_a_calm_machine_gets_no_remark(calm: BenchResult) -> None:
    assert remarks(calm) == ()


@pytest.mark.parametrize(
    ("environment", "activity", "words"),
    [
        ({"load_average_1min": 1.5}, {}, "busy before the measurement (load 1.5 on 2 CPUs)"),
        ({"governor": "powersave"}, {}, "governor is powersave"),
        (
            {},
            {"busy_cpus": 1.8, "others": (OtherProcess(name="trainer", cpus=0.8),)},
            "Other programs used 0.8 CPUs meanwhile (trainer 0.8)",
        ),
        ({}, {"stolen_share": 0.05}, "took away 5%"),
        ({}, {"throttled_periods": 3}, "quota was used up in 3 scheduling periods"),
    ],
)
def test_what_disturbed_is_said(calm: BenchResult, environment: Any, activity: Any, words: str) -> None:
    disturbed = replace(
        calm, environment=replace(calm.environment, **environment), activity=replace(calm.activity, **activity)
    )
    (remark,) = remarks(disturbed)
    assert words in remark


def test_unstable_measurements_share_one_remark(calm: BenchResult) -> None:
    drifting = tuple(replace(entry, stable=False, stability="unstable: it drifts") for entry in calm.results)
    assert remarks(replace(calm, results=drifting)) == (
        "Unstable at batch 1, batch 4: it drifts (at batch 1); see --duration.",
    )
    assert remarks(replace(calm, results=(drifting[0],))) == ("Unstable at batch 1: it drifts; see --duration.",)


def test_processes_that_differ_are_said(calm: BenchResult) -> None:
    entry = replace(calm.results[0], p50_ms=10.0, p50_ci95_ms=(9.9, 10.1), process_spread=0.3)
    (remark,) = remarks(replace(calm, results=(entry,)))
    assert "differ by 30%" in remark
    assert remarks(replace(calm, results=(replace(entry, process_spread=0.03),))) == ()


def test_what_decoding_adds(calm: BenchResult) -> None:
    engine = replace(calm.results[0], p50_ms=10.0)
    whole = replace(engine, boundary="end-to-end", p50_ms=12.5)
    result = replace(calm, results=(engine, whole), boundaries={"engine": "", "end-to-end": ""})
    assert remarks(result) == (
        "Decoding, preprocessing and picking the class add 2.50 ms to the engine's 10.00 ms at batch 1 (medians).",
    )
    assert remarks(replace(result, results=(engine, replace(whole, p50_ms=9.0)))) == ()
