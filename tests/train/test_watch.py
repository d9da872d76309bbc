import math

import pytest

from ran_deploy.errors import GateError
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.state import Counters
from ran_deploy.train.watch import Watch

GUESSING = math.log(10)
RECIPE = Recipe(epochs=20, warmup_epochs=1)  # of 100 steps


def look_at(loss: float, steps: int, recipe: Recipe = RECIPE, counters: Counters | None = None) -> Counters:
    counters = counters or Counters()
    watch = Watch(recipe, 10, 100)
    for _ in range(steps):
        counters.step += 1
        watch.look(loss, 1, counters)
    return counters


@pytest.mark.parametrize("loss", [math.nan, math.inf, 21 * GUESSING])
def test_a_loss_that_explodes_ends_at_once(loss: float) -> None:
    with pytest.raises(GateError, match=r"diverged: the loss is .* at step 1\.") as caught:
        look_at(loss, 1)
    assert "Lower lr" in caught.value.fix


def test_a_loss_above_guessing_ends_long_after_the_warm_up_and_no_sooner() -> None:
    counters = look_at(1.1 * GUESSING, 599)
    with pytest.raises(GateError, match=r"for 500 steps after the warm-up the loss has been above 2\.30") as caught:
        look_at(1.1 * GUESSING, 1, counters=counters)
    assert "Lower lr" in caught.value.fix
    look_at(1.04 * GUESSING, 1900)


def test_a_dead_training_is_named_with_a_fix() -> None:
    counters = look_at(1.005 * GUESSING, 599)
    with pytest.raises(GateError, match=r"dead: for 500 steps .* of guessing \(2\.303\); it is 2\.314") as caught:
        look_at(1.005 * GUESSING, 1, counters=counters)
    assert "labels belong to the images" in caught.value.fix
    look_at(0.98 * GUESSING, 1900)


def test_a_loss_that_moves_starts_the_count_again() -> None:
    counters = look_at(GUESSING, 500)
    look_at(0.5 * GUESSING, 20, counters=counters)
    assert counters.steps_stuck == 0
    look_at(GUESSING, 400, counters=counters)


def test_labels_of_which_half_are_wrong_are_no_dead_training() -> None:
    look_at(GUESSING, 1900, Recipe(epochs=20, warmup_epochs=1, label_noise=0.9))


def test_several_steps_at_once_weigh_as_much_as_one_by_one() -> None:
    watch, counters = Watch(RECIPE, 10, 100), Counters()
    for place, loss in enumerate((2.0, 1.0)):
        counters.step = 10 * (place + 1)
        watch.look(loss, 10, counters)
    single = look_at(1.0, 10, counters=look_at(2.0, 10))
    assert counters.mean_loss == pytest.approx(single.mean_loss)
