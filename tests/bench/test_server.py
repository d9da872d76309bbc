"""The server scenario with a clock of its own: what a query waits for is part of its latency."""

import itertools
import math
import statistics

import pytest

from ran_deploy.bench.arrivals import arrivals_ns
from ran_deploy.bench.boundary import Timed
from ran_deploy.bench.server import serve
from tests.bench.fakes import MS, FakeTime


def test_arrivals_are_poisson() -> None:
    due = [at / 1e9 for at in arrivals_ns(50, duration_s=0, least=20_000, seed=1)]
    gaps = [due[0], *(later - earlier for earlier, later in itertools.pairwise(due))]
    assert len(due) == 20_000
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.03)  # exponential: as wide as its mean
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.01)
    counts = [0] * int(due[-1])
    for at in due:
        if at < len(counts):
            counts[int(at)] += 1
    # The number in each second varies as much as its mean (Fano factor 1).
    assert statistics.variance(counts) / statistics.mean(counts) == pytest.approx(1, abs=0.25)


def test_arrivals_by_seed_and_length() -> None:
    assert arrivals_ns(50, duration_s=1, least=5, seed=1) == arrivals_ns(50, duration_s=1, least=5, seed=1)
    assert arrivals_ns(50, duration_s=1, least=5, seed=1) != arrivals_ns(50, duration_s=1, least=5, seed=2)
    long = arrivals_ns(50, duration_s=10, least=5, seed=1)
    assert long[-2] < 10e9 <= long[-1]
    assert 400 < len(long) < 600
    assert len(arrivals_ns(50, duration_s=0.001, least=7, seed=1)) == 7


def test_latency_counts_from_when_a_query_was_due() -> None:
    time = FakeTime()
    due = [10 * MS, 20 * MS, 30 * MS, 200 * MS]
    series = serve(time.call(40), due, workers=1, most_s=10, boundary="engine", timer=time.timer)
    # The first begins when due and ends at 50; the next two wait; the last finds the engine idle.
    assert series.latencies_ms == [40, 70, 100, 40]
    assert series.spans == ((10 * MS, 50 * MS), (50 * MS, 90 * MS), (90 * MS, 130 * MS), (200 * MS, 240 * MS))
    assert series.wall_ns == 240 * MS
    assert (series.scheduled, series.schedule_ns) == (4, 200 * MS)
    assert series.stop == "all 4 queries of the schedule were served"
    assert time.ran == ["a", "b", "a", "b"]


def test_it_stops_when_the_time_is_used_up() -> None:
    time = FakeTime()
    series = serve(time.call(1000), [0] * 10, workers=1, most_s=2.5, boundary="engine", timer=time.timer)
    assert len(series.spans) == 3
    assert series.scheduled == 10
    assert series.stop == "the most time, 2.5 s, was used up with 7 queries still to serve"


def test_it_gives_up_when_told_to() -> None:
    time = FakeTime()
    series = serve(
        time.call(10), [0] * 10, workers=1, most_s=9, boundary="engine", timer=time.timer, give_up=lambda ms: ms > 25
    )
    assert series.latencies_ms == [10, 20, 30]
    assert series.stop.startswith("given up")


def test_several_workers_serve_each_query_once() -> None:
    seen: list[int] = []
    series = serve(Timed(seen.append, tuple(range(50))), [0] * 50, workers=4, most_s=60, boundary="engine")
    assert sorted(seen) == list(range(50))
    assert len(series.spans) == 50
    assert all(latency >= 0 for latency in series.latencies_ms)


def test_what_waits_ends_when_another_gives_up() -> None:
    # The second query is due in an hour; its worker must not be waited for.
    hour_ns = 3600 * 1_000_000_000
    series = serve(
        Timed(lambda _: None, ("a",)), [0, hour_ns], workers=2, most_s=9999, boundary="engine", give_up=lambda _: True
    )
    assert len(series.spans) == 1


def test_what_a_query_raises_is_raised() -> None:
    def fail(_: object) -> None:
        raise ValueError("no such image")

    with pytest.raises(ValueError, match="no such image"):
        serve(Timed(fail, ("a",)), [0] * 5, workers=2, most_s=60, boundary="engine")
