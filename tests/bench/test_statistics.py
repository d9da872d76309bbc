import itertools
import math
import random

import pytest

from ran_deploy.bench.statistics import (
    is_stable,
    median_interval,
    minimum_samples,
    percentile,
    percentile_interval,
    stability_text,
    summarize,
    supported_percentile,
)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(50, 50.0), (90, 90.0), (95, 95.0), (99, 99.0), (100, 100.0), (1, 1.0), (0, 1.0)],
)
def test_nearest_rank_of_one_to_hundred(percent: int, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], percent) == expected


@pytest.mark.parametrize(("percent", "expected"), [(5, 15), (30, 20), (40, 20), (50, 35), (100, 50)])
def test_nearest_rank_of_the_textbook_example(percent: int, expected: float) -> None:
    assert percentile([15, 20, 35, 40, 50], percent) == expected


@pytest.mark.parametrize("percent", [90, 95, 99, 99.9])
def test_at_least_that_share_does_not_exceed_it(percent: float) -> None:
    for count in [*range(1, 300), 1000, 2000]:
        value = percentile(range(count), percent)
        assert 1000 * (value + 1) >= round(10 * percent) * count  # value + 1 samples are not larger
        assert 1000 * value < round(10 * percent) * count  # and one sample fewer would not do


@pytest.mark.parametrize(("percent", "least"), [(90, 64), (95, 130), (99, 662), (99.9, 6636)])
def test_percentile_needs_enough_samples(percent: float, least: int) -> None:
    assert minimum_samples(percent) == least
    assert supported_percentile([1.0] * (least - 1), percent) is None
    assert supported_percentile([1.0] * least, percent) == 1.0


def test_summary_by_hand() -> None:
    summary = summarize([4.0, 2.0, 6.0, 8.0])
    assert summary.samples == 4
    assert summary.mean_ms == 5.0
    assert summary.std_ms == pytest.approx(math.sqrt(20 / 3))
    assert summary.cv == pytest.approx(math.sqrt(20 / 3) / 5)
    assert (summary.min_ms, summary.p50_ms, summary.max_ms) == (2.0, 4.0, 8.0)
    assert (summary.p50_ci95_ms, summary.p90_ms, summary.p95_ms, summary.p99_ms) == (None, None, None, None)
    assert summary.p99_9_ms is None
    assert not summary.stable


def test_single_sample() -> None:
    summary = summarize([3.0])
    assert (summary.mean_ms, summary.std_ms, summary.cv, summary.p50_ms) == (3.0, 0.0, 0.0, 3.0)


def test_nothing_to_summarize() -> None:
    with pytest.raises(ValueError, match="no latencies"):
        summarize([])


def test_median_interval_of_hundred() -> None:
    # 50 ± 1.96 × 10 / 2 = 40.2 to 59.8: ranks 40 and 61.
    assert median_interval([float(value) for value in range(1, 101)]) == (40.0, 61.0)
    assert median_interval([1.0] * 9) is None


def test_median_interval_covers_the_median() -> None:
    source = random.Random(7)
    intervals = (median_interval(sorted(source.random() for _ in range(50))) for _ in range(2000))
    covered = sum(interval is not None and interval[0] <= 0.5 <= interval[1] for interval in intervals)
    assert 0.94 < covered / 2000 < 0.99


def test_stability() -> None:
    assert is_stable([1.0] * 10)
    assert not is_stable([1.0] * 9)
    assert is_stable([1.0, 1.15] * 15)
    assert not is_stable([1.0] * 20 + [1.5] * 10)  # slows down at the end
    drifting = list(itertools.accumulate([0.02] * 30, initial=1.0))
    assert not is_stable(drifting)


@pytest.mark.parametrize(("latencies", "start"), [([1.0] * 9, "unstable: 9 runs"), ([1.0] * 10, "stable: ")])
def test_stability_in_words(latencies: list[float], start: str) -> None:
    assert stability_text(latencies).startswith(start)


def test_drift_in_words() -> None:
    # The whole mean is 7/6; the last third lies 2/7 above it.
    assert stability_text([1.0] * 20 + [1.5] * 10).startswith("unstable: the means of its thirds lie up to 28.6% ")


def test_percentile_interval_covers_the_percentile() -> None:
    source = random.Random(8)
    intervals = (percentile_interval(sorted(source.random() for _ in range(700)), 99) for _ in range(1000))
    covered = sum(low <= 0.99 <= high for low, high in intervals)
    assert 930 < covered < 990
