"""The intervals on series whose true mean and percentile are known."""

import numpy as np
import pytest

from ran_deploy.bench.bootstrap import Floats, block_length, bootstrap_interval, mean_interval, percentile_bootstrap


def neighbours(source: np.random.Generator, count: int, memory: float) -> Floats:
    """A series of mean 10 in which each value remembers the one before (AR(1))."""
    noise = source.standard_normal(count + 100)
    values = np.empty(count + 100)
    values[0] = noise[0]
    for place in range(1, len(values)):
        values[place] = memory * values[place - 1] + noise[place]
    return 10 + values[100:]


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_the_interval_of_the_mean_covers_it(memory: float) -> None:
    source = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        interval = mean_interval(neighbours(source, 400, memory).tolist())
        assert interval is not None
        covered += interval[0] <= 10 <= interval[1]
    assert covered >= 51  # 85%; 57 are expected


def test_blocks_are_what_makes_it_honest() -> None:
    source = np.random.default_rng(4)
    series = neighbours(source, 400, 0.8)
    with_blocks = mean_interval(series.tolist())
    shuffled = mean_interval(source.permutation(series).tolist())
    assert with_blocks is not None
    assert shuffled is not None
    assert with_blocks[1] - with_blocks[0] > 1.5 * (shuffled[1] - shuffled[0])
    assert block_length(series) > block_length(source.standard_normal(400))


def test_the_interval_of_a_percentile_covers_it() -> None:
    source = np.random.default_rng(5)
    covered = 0
    for _ in range(40):
        interval = percentile_bootstrap(source.random(700).tolist(), 95)
        assert interval is not None
        covered += interval[0] <= 0.95 <= interval[1]
    assert covered >= 33


def test_the_same_series_has_the_same_interval() -> None:
    series = np.random.default_rng(6).random(100).tolist()
    assert mean_interval(series) == mean_interval(series)


def test_too_few_samples_have_none() -> None:
    assert mean_interval([1.0] * 29) is None
    assert percentile_bootstrap([1.0] * 29, 99) is None


def test_a_constant_has_no_width() -> None:
    assert mean_interval([2.0] * 50) == (2.0, 2.0)
    assert bootstrap_interval([2.0] * 50, lambda drawn: drawn.max(axis=1)) == (2.0, 2.0)
