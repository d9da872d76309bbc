import pytest

from ran_deploy.bench.ratio import Ratio, speed_ratio


def test_a_constant_ratio_is_certain() -> None:
    ratio = speed_ratio([20, 40, 60], [10, 20, 30])
    assert ratio.value == pytest.approx(2)
    assert ratio.ci95 == pytest.approx((2, 2))


def test_what_slows_a_whole_round_cancels_out() -> None:
    drifting = [100, 50, 20, 10, 5]
    ratio = speed_ratio([1.5 * speed for speed in drifting], drifting)
    assert ratio.ci95 == pytest.approx((1.5, 1.5))


def test_noise_widens_the_interval_around_the_geometric_mean() -> None:
    ratio = speed_ratio([1, 4, 1, 4, 1, 4], [1] * 6)
    assert ratio.value == pytest.approx(2)
    low, high = ratio.ci95
    assert 1 < low < 1.5
    assert 2.6 < high < 4
    assert speed_ratio([1, 4, 1, 4, 1, 4], [1] * 6) == ratio  # seeded


def test_the_other_way_round() -> None:
    ratio = Ratio(value=2, ci95=(1.6, 2.5))
    assert ratio.inverse == Ratio(value=0.5, ci95=(0.4, 0.625))
    assert ratio.text() == "2.00 (95% interval 1.60 to 2.50)"


@pytest.mark.parametrize(("mine", "theirs"), [([], []), ([1, 2], [1]), ([1, 0], [1, 1]), ([1], [-1])])
def test_rounds_that_cannot_be_compared(mine: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="rounds"):
        speed_ratio(mine, theirs)
