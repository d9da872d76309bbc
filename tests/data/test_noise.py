"""Noisy labels: how many change, into what, and that the seed alone decides."""

import math

import numpy as np
import pytest

from ran_deploy.data.noise import describe_noise, noisy_targets
from ran_deploy.errors import UsageError

CLEAN = np.arange(20_000, dtype=np.int64) % 10


def likely(count: int, probability: float) -> tuple[int, int]:
    """Return the narrowest range that a binomial count leaves with a probability below 1e-6 on either side."""
    logs = [
        math.lgamma(count + 1)
        - math.lgamma(k + 1)
        - math.lgamma(count - k + 1)
        + k * math.log(probability)
        + (count - k) * math.log1p(-probability)
        for k in range(count + 1)
    ]
    below = np.cumsum(np.exp(logs))
    return int((below < 1e-6).sum()), int((below < 1 - 1e-6).sum())


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.7])
def test_as_many_labels_change_as_chance_allows(probability: float) -> None:
    noisy = noisy_targets(CLEAN, 10, probability, seed=0)
    low, high = likely(len(CLEAN), probability)
    changed = noisy != CLEAN
    assert low <= int(changed.sum()) <= high
    assert noisy.dtype == np.int64
    assert (noisy.min(), noisy.max()) == (0, 9)
    # Every other class is as likely, whatever the class was.
    low, high = likely(2000, probability / 9)
    for label in range(10):
        counts = np.bincount(noisy[label == CLEAN], minlength=10)
        assert all(low <= count <= high for other, count in enumerate(counts) if other != label)


def test_nothing_and_everything() -> None:
    assert np.array_equal(noisy_targets(CLEAN, 10, 0.0, seed=3), CLEAN)
    assert (noisy_targets(CLEAN, 10, 1.0, seed=3) != CLEAN).all()
    assert np.array_equal(noisy_targets(np.zeros(4, np.int64), 1, 0.0, seed=3), np.zeros(4))


def test_the_seed_alone_decides() -> None:
    kept = CLEAN.copy()
    first = noisy_targets(CLEAN, 10, 0.3, seed=1)
    assert np.array_equal(first, noisy_targets(CLEAN, 10, 0.3, seed=1))
    assert not np.array_equal(first, noisy_targets(CLEAN, 10, 0.3, seed=2))
    assert np.array_equal(CLEAN, kept)


def test_more_noise_changes_the_same_labels_and_others() -> None:
    little, much = (noisy_targets(CLEAN, 10, probability, seed=1) for probability in (0.1, 0.5))
    changed = little != CLEAN
    assert np.array_equal(little[changed], much[changed])


def test_the_description_counts_and_identifies() -> None:
    noisy = noisy_targets(CLEAN, 10, 0.3, seed=1)
    said = describe_noise(CLEAN, noisy)
    assert (said.count, said.changed) == (20_000, int((noisy != CLEAN).sum()))
    assert said == describe_noise(CLEAN, noisy_targets(CLEAN, 10, 0.3, seed=1))
    assert said.sha256 != describe_noise(CLEAN, noisy_targets(CLEAN, 10, 0.3, seed=2)).sha256
    assert len(said.sha256) == 64


def test_impossible_noise_is_refused() -> None:
    with pytest.raises(UsageError, match=r"noise is 1\.5"):
        noisy_targets(CLEAN, 10, 1.5, seed=0)
    with pytest.raises(UsageError, match="1 class"):
        noisy_targets(np.zeros(3, np.int64), 1, 0.5, seed=0)
