from ran_deploy.bench.boundary import Timed
from ran_deploy.bench.closed_loop import measure_closed_loop, measure_device
from ran_deploy.bench.series import Series
from ran_deploy.bench.stop import StopRule
from tests.bench.fakes import MS, FakeTime


def measure(time: FakeTime, timed: Timed[object], rule: StopRule, warmup_ms: int = 0) -> Series:
    return measure_closed_loop(timed, batch=4, boundary="engine", warmup_ms=warmup_ms, rule=rule, clock=time.clock)


def test_it_stops_at_the_least_where_that_is_precise() -> None:
    time = FakeTime()
    series = measure(time, time.call(10), StopRule(runs=5, least_s=0.3, most_s=9, precision=0.02))
    assert series.latencies_ms == [10.0] * 30
    assert series.busy_ns == series.wall_ns == 300 * MS
    assert series.stop == "the median is known to ±0%"


def test_it_goes_on_until_it_is_precise() -> None:
    time = FakeTime()
    noisy = tuple([20, 5, 12, 9, 14, 7] * 3 + [10] * 1000)  # its interval narrows once the constant part is long
    series = measure(time, time.call(*noisy), StopRule(runs=1, least_s=0.1, most_s=8.1, precision=0.02))
    assert series.wall_ns > 200 * MS  # longer than the least
    assert series.wall_ns < 8 * 1000 * MS
    assert series.stop.startswith("the median is known to ±")


def test_it_stops_at_the_most_and_says_so() -> None:
    time = FakeTime()
    series = measure(time, time.call(10, 30), StopRule(runs=1, least_s=0.2, most_s=1, precision=0.02))
    assert 1000 * MS <= series.wall_ns < 1200 * MS
    assert series.stop.startswith("the most time, 1 s, was used up; the median is known to ±")


def test_few_runs_are_said_to_be_few() -> None:
    time = FakeTime()
    series = measure(time, time.call(10), StopRule(runs=3, least_s=0, most_s=0, precision=0.02))
    assert len(series.spans) == 3
    assert "too few runs for an interval" in series.stop


def test_the_warm_up_is_not_in_it_and_buffers_take_turns() -> None:
    time = FakeTime()
    series = measure(time, time.call(10), StopRule(runs=3, least_s=0, most_s=0, precision=0.02), warmup_ms=25)
    assert time.ran == ["a", "b", "a", "a", "b", "a"]
    assert series.spans[0][0] == 30 * MS


def test_the_devices_own_clock_counts_at_its_boundary() -> None:
    told = iter(float(place) for place in range(1, 100))
    rule = StopRule(runs=4, least_s=0, most_s=0, precision=0.02)
    series = measure_device(lambda _: next(told), Timed(print, ("a",)), batch=1, warmup_ms=0, rule=rule)
    assert series.boundary == "device"
    assert series.latencies_ms == (2.0, 3.0, 4.0, 5.0)  # the first was the warm-up
    assert series.busy_ns == 14 * MS
