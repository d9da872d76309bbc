"""Student's t against the values in printed tables."""

import pytest

from ran_deploy.experiments.student import mean_interval, t_quantile, t_tails


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (30, 2.0423)]
)
def test_quantiles_are_those_of_the_table(freedom: int, t: float) -> None:
    assert t_quantile(freedom) == pytest.approx(t, abs=5e-5)


@pytest.mark.parametrize(("t", "freedom", "p"), [(0.0, 3, 1.0), (1.0, 1, 0.5), (2.0, 2, 0.183503), (3.0, 5, 0.030099)])
def test_tails(t: float, freedom: int, p: float) -> None:
    assert t_tails(t, freedom) == pytest.approx(p, abs=5e-7)


def test_the_mean_of_three_seeds() -> None:
    mean = mean_interval([1.0, 2.0, 3.0])
    assert mean.value == pytest.approx(2.0)
    assert mean.ci95 == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert mean.p == pytest.approx(0.0741799, abs=1e-6)


def test_equal_values() -> None:
    assert mean_interval([0.0, 0.0]).p == 1.0
    assert mean_interval([2.0, 2.0]).ci95 == (2.0, 2.0)
