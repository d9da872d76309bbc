"""Entropy thresholds on distributions whose good threshold is known."""

import numpy as np
import pytest

from ran_deploy.quant.entropy import entropy_threshold


def histogram(values: np.ndarray) -> np.ndarray:
    return np.histogram(np.abs(values), bins=2048, range=(0, float(np.abs(values).max())))[0]


def test_a_uniform_distribution_is_not_clipped() -> None:
    assert entropy_threshold(np.full(2048, 1000)) == 1.0


def test_a_few_outliers_are_clipped() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.uniform(0, 1, 200_000), [10.0]])
    assert 0.09 <= entropy_threshold(histogram(values)) <= 0.15


def test_the_zeros_of_a_relu_do_not_decide() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200_000)
    rectified = np.concatenate([np.abs(values), np.zeros(1_000_000)])
    assert entropy_threshold(histogram(rectified)) == pytest.approx(entropy_threshold(histogram(values)), abs=0.02)
    assert entropy_threshold(histogram(rectified)) > 0.5


@pytest.mark.parametrize("counts", [np.zeros(2048, np.int64), np.eye(1, 2048, dtype=np.int64)[0]])
def test_nothing_but_zeros_keeps_the_range(counts: np.ndarray) -> None:
    assert entropy_threshold(counts) == 1.0


def test_the_counts_are_left_alone() -> None:
    counts = np.arange(2048)[::-1].copy()
    before = counts.copy()
    entropy_threshold(counts)
    np.testing.assert_array_equal(counts, before)
