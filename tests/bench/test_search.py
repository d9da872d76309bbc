"""The search of the highest rate on a queue that is simulated: one worker, 10 ms for each query."""

import pytest

from ran_deploy.bench.search import Search, Trial, find_max_qps
from ran_deploy.bench.series import Series
from ran_deploy.bench.server import serve
from tests.bench.fakes import FakeTime


def search(slo_ms: float, *, trials: int = 7, seed: int = 1) -> tuple[Search, Series | None, list[Trial]]:
    told: list[Trial] = []
    time = FakeTime()
    found, series = find_max_qps(
        lambda due, give_up: serve(
            time.call(10), due, workers=1, most_s=1000, boundary="engine", timer=time.timer, give_up=give_up
        ),
        slo_ms=slo_ms,
        ceiling_qps=125,
        trials=trials,
        duration_s=5,
        iterations=1,
        seed=seed,
        after_trial=told.append,
    )
    return found, series, told


def test_finds_the_rate_that_queueing_theory_says() -> None:
    found, series, told = search(50)
    # With random arrivals and 10 ms for each query, 99% are answered within 50 ms up to 56/s (of 200,000 arrivals).
    assert found.max_qps is not None
    assert 46 < found.max_qps < 63
    assert found.resolution_qps == 125 / 2**7
    assert series is not None
    confirmed = found.trials[-1]
    assert confirmed.held
    assert confirmed.confirms
    assert confirmed.qps == found.max_qps
    assert confirmed.queries == len(series.spans) >= 662
    assert sum(not trial.confirms for trial in found.trials) == 7
    assert tuple(told) == found.trials


def test_a_looser_bound_admits_more() -> None:
    tight, loose = search(25)[0].max_qps, search(100)[0].max_qps
    assert tight is not None
    assert loose is not None
    assert tight < loose < 100


def test_no_rate_holds_what_one_query_alone_needs_longer_for() -> None:
    found, series, _ = search(9)
    assert found.max_qps is None
    assert series is None
    assert all(trial.p99_ms is None and trial.queries < 662 for trial in found.trials)  # each was given up early
    assert not any(trial.confirms for trial in found.trials)


def test_a_bisection_halves() -> None:
    rates = [trial.qps for trial in search(9, trials=4)[0].trials]
    assert rates == pytest.approx([62.5, 31.25, 15.625, 7.8125])
