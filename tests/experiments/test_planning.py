"""Plans from measured speeds, with a clock that is turned by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import UsageError
from ran_deploy.experiments.budget import Speed
from ran_deploy.experiments.definitions import Contender, Experiment
from ran_deploy.experiments.plan import Asked, Plan, kept_plan, write_plan
from ran_deploy.experiments.planning import make_plan
from ran_deploy.experiments.probe import measure_speed
from ran_deploy.experiments.setting import Data
from tests.experiments.conftest import SMALL

DATA = Data(root=None, train=make_synthetic("train", 2000), test=make_synthetic("test", 1000))
ASKED = Asked(experiment="small", budget="2m")


class Clock:
    """Time passes only while a speed is measured."""

    def __init__(self, measuring_s: float) -> None:
        self.now_s, self._measuring_s = 0.0, measuring_s

    def __call__(self) -> float:
        return self.now_s

    def measure(self, experiment: Experiment, contender: Contender, data: Data) -> Speed:
        self.now_s += self._measuring_s
        train_s = 0.02 if contender.name == "wider" else 0.01
        return Speed(train_s=train_s, test_s=train_s / 5)


def plan_after(measuring_s: float) -> Plan:
    clock = Clock(measuring_s)
    return make_plan(SMALL, ASKED, DATA, measure=clock.measure, clock=clock)


def test_the_plan_fits_the_time_that_measuring_leaves() -> None:
    plan = plan_after(10)
    assert plan.expected_s is not None
    assert 0.6 * 100 < plan.expected_s <= 0.85 * 100
    assert set(plan.speeds) == {"wider", "narrow"}
    assert plan.recipe.epochs == plan.work.epochs
    assert plan.recipe.validation == plan.work.validation
    assert plan.recipe.lr == SMALL.recipe.lr


def test_time_spent_measuring_is_the_budgets() -> None:
    assert plan_after(30).work.images < plan_after(0).work.images


def test_nothing_is_left_after_measuring() -> None:
    with pytest.raises(UsageError, match="too short"):
        plan_after(60)


def test_a_plan_by_hand_measures_nothing() -> None:
    asked = Asked(experiment="small", budget=None, images=100, epochs=2)
    plan = make_plan(SMALL, asked, DATA, measure=lambda *_: pytest.fail("measured"))
    assert (plan.work.images, plan.work.epochs, plan.work.test_images) == (100, 2, 1000)
    assert plan.expected_s is None


@pytest.mark.parametrize("images", [9, 1900])
@pytest.mark.parametrize("budget", [None, "2m"])
def test_images_that_there_are_not_are_refused_before_anything_is_measured(images: int, budget: str | None) -> None:
    asked = Asked(experiment="small", budget=budget, images=images, epochs=None if budget else 1)
    with pytest.raises(UsageError, match=rf"--images is {images}; expected 10 \(one batch\)"):
        make_plan(SMALL, asked, DATA, measure=lambda *_: pytest.fail("measured"))


def test_a_plan_is_kept_as_it_is(tmp_path: Path) -> None:
    plan = plan_after(10)
    write_plan(tmp_path, plan)
    assert kept_plan(tmp_path, ASKED, SMALL, DATA.sha256) == plan


def test_another_recipe_or_other_data_are_refused(tmp_path: Path) -> None:
    write_plan(tmp_path, plan_after(10))
    changed = replace(SMALL, recipe=replace(SMALL.recipe, lr=0.1))
    with pytest.raises(UsageError, match="another recipe"):
        kept_plan(tmp_path, ASKED, changed, DATA.sha256)
    with pytest.raises(UsageError, match="other data"):
        kept_plan(tmp_path, ASKED, SMALL, replace(DATA, test=make_synthetic("test", 500)).sha256)


@pytest.mark.parametrize("name", ["images", "epochs", "seeds", "test_images"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is 0"):
        Asked(experiment="small", budget="2m", **{name: 0})


def test_a_real_speed_is_measured() -> None:
    speed = measure_speed(SMALL, SMALL.contenders[0], Data(root=None, train=DATA.train, test=DATA.test))
    assert 0 < speed.test_s < 1
    assert 0 < speed.train_s < 10
