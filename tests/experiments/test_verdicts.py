"""Verdicts on predictions made by hand: nothing is claimed that the interval does not allow."""

import numpy as np
import numpy.typing as npt
import pytest

from ran_deploy.experiments.verdicts import Difference, difference, holm, judge

Classes = npt.NDArray[np.int64]
TARGETS: Classes = np.zeros(100, dtype=np.int64)


def right(first: int, last: int) -> Classes:
    """Predictions that are right on the images ``first`` to ``last`` only."""
    predicted = np.ones(100, dtype=np.int64)
    predicted[first:last] = 0
    return predicted


def verdict(better: list[Classes], worse: list[Classes]) -> str:
    found = difference(better, worse, TARGETS)
    return judge(found, found.p)


def test_one_seed_is_compared_in_pairs() -> None:
    found = difference([right(0, 60)], [right(20, 70)], TARGETS)
    assert found.points == pytest.approx(10.0)
    assert found.p == pytest.approx(0.0987, abs=1e-3), "McNemar's exact p of 20 against 10"
    assert found.ci95[0] < 0 < 10 < found.ci95[1]


def test_held() -> None:
    assert verdict([right(0, 70)], [right(0, 50)]) == "held"


def test_did_not_hold() -> None:
    assert verdict([right(0, 50)], [right(0, 70)]) == "did not hold"


@pytest.mark.parametrize("better", [right(0, 50), right(0, 52), right(25, 80)])
def test_undecided(better: Classes) -> None:
    assert verdict([better], [right(0, 50)]) == "undecided"


def test_seeds_that_agree_decide_and_seeds_that_do_not_leave_it_open() -> None:
    worse = [right(0, 50)] * 3
    assert verdict([right(0, 60), right(0, 61), right(0, 62)], worse) == "held"
    assert verdict([right(0, 80), right(0, 51), right(0, 62)], worse) == "undecided"
    assert difference([right(0, 60), right(0, 70)], worse[:2], TARGETS).points == pytest.approx(15.0)


def test_an_interval_that_excludes_zero_is_not_enough_among_many_comparisons() -> None:
    found = Difference(points=3.0, ci95=(0.4, 5.6), p=0.02)
    assert judge(found, 0.02) == "held"
    assert judge(found, holm([0.02, *[0.5] * 9])[0]) == "undecided"


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
