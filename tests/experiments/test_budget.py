"""What a budget buys, by hand-made speeds."""

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.experiments.budget import Sizes, Speed, Work, choose_work, expected_s, held_out, parse_budget

CIFAR = Sizes(train=50_000, test=10_000, classes=10, batch=32)
FAST, SLOW = Speed(train_s=0.005, test_s=0.001), Speed(train_s=0.045, test_s=0.009)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("0.5h", 1800)])
def test_budgets_are_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "20 m", "-5m", "0s", "20min", "1d"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as 90s"):
        parse_budget(text)


def test_every_network_gets_the_same_and_all_of_it_fits() -> None:
    work = choose_work(1200, [FAST, SLOW], CIFAR)
    assert work.epochs == 5
    assert work.images % 10 == work.validation % 10 == work.test_images % 10 == 0
    assert 0.7 * 1200 < expected_s(work, [FAST, SLOW], 1) <= 0.85 * 1200


def test_seeds_share_the_budget() -> None:
    one, three = (choose_work(1200, [FAST, SLOW], CIFAR, seeds=seeds) for seeds in (1, 3))
    assert three.images == pytest.approx(one.images / 3, rel=0.1)
    assert expected_s(three, [FAST, SLOW], 3) <= 0.85 * 1200


def test_what_is_given_by_hand_is_kept() -> None:
    assert choose_work(1200, [FAST, SLOW], CIFAR, epochs=2).epochs == 2
    assert choose_work(1200, [FAST, SLOW], CIFAR, images=1000).images == 1000
    assert choose_work(1200, [FAST, SLOW], CIFAR, test_images=100).test_images == 100
    few, many = (choose_work(1200, [FAST, SLOW], CIFAR, epochs=epochs).images for epochs in (2, 8))
    assert few == pytest.approx(4 * many, rel=0.05)


def test_a_large_budget_takes_all_images_and_more_epochs() -> None:
    work = choose_work(24 * 3600, [FAST, SLOW], CIFAR)
    assert work.images + work.validation == 50_000
    assert work.test_images == 10_000
    assert work.epochs > 5


def test_a_budget_that_is_too_short_says_how_much_is_needed() -> None:
    with pytest.raises(
        UsageError, match=r"A budget of 10 s is too short: 2 networks need about .* for 32 images"
    ) as said:
        choose_work(10, [FAST, SLOW], CIFAR)
    assert "Give more time" in said.value.fix


def test_images_by_hand_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="for 40000 images in 1 epoch"):
        choose_work(60, [FAST, SLOW], CIFAR, images=40_000)


def test_epochs_by_hand_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="in 100 epochs"):
        choose_work(60, [FAST, SLOW], CIFAR, images=1000, epochs=100)


def test_held_out_images_are_a_tenth_up_to_500_and_some_of_each_class() -> None:
    assert [held_out(images, 10) for images in (20, 1000, 50_000)] == [10, 100, 500]
    assert held_out(400, 200) == 200


def test_expected_time() -> None:
    work = Work(images=100, validation=10, epochs=2, test_images=50)
    assert expected_s(work, [FAST], 3) == pytest.approx(3 * (2 * (100 * 0.005 + 10 * 0.001) + 50 * 0.001))
