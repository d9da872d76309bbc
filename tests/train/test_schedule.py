import math

import pytest

from ran_deploy.config import read_toml
from ran_deploy.resources import models_folder
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.schedule import learning_rate, warmup_steps


def test_warm_up_then_cosine_to_zero() -> None:
    recipe = Recipe(epochs=10, lr=0.4, warmup_epochs=2)
    rates = [learning_rate(recipe, step, 100) for step in range(1000)]
    assert rates[:200] == pytest.approx([0.4 * (step + 1) / 201 for step in range(200)])
    assert rates[200:] == pytest.approx([0.2 * (1 + math.cos(math.pi * step / 800)) for step in range(800)])
    assert rates[-1] < 1e-5


def test_warm_up_never_takes_more_than_half() -> None:
    recipe = Recipe(epochs=1, lr=1.0, warmup_epochs=5)
    assert warmup_steps(recipe, 100) == 50
    assert learning_rate(recipe, 50, 100) == 1.0


def test_the_papers_steps() -> None:
    recipe = read_toml(Recipe, models_folder() / "paper_cifar.toml")
    per_epoch = 50_000 // recipe.batch
    total = recipe.epochs * per_epoch
    assert abs(total - 160_000) < 200
    rates = [learning_rate(recipe, step, per_epoch) for step in range(total)]
    assert sorted(set(rates), reverse=True) == pytest.approx([0.1, 0.01, 0.001])
    falls = [step for step in range(1, total) if rates[step] != rates[step - 1]]
    assert falls == [round(0.4 * total), round(0.6 * total)]
    assert falls == pytest.approx([64_000, 96_000], abs=100)


def test_the_papers_steps_on_imagenet() -> None:
    recipe = read_toml(Recipe, models_folder() / "imagenet.toml")
    per_epoch = (1_281_167 - recipe.validation) // recipe.batch
    for before, after, rate in ((0.376, 0.379, 0.1), (0.754, 0.756, 0.01), (0.943, 0.944, 0.001)):
        total = recipe.epochs * per_epoch
        assert learning_rate(recipe, int(before * total), per_epoch) == pytest.approx(rate)
        assert learning_rate(recipe, int(after * total), per_epoch) == pytest.approx(rate / 10)


def test_the_stanford_reports_exponential() -> None:
    recipe = read_toml(Recipe, models_folder() / "tiny-imagenet.toml")
    for step in (0, 999, 1000, 1999, 2000, 50_000):
        assert learning_rate(recipe, step, 3000) == pytest.approx(1e-3 * 0.96 ** (step // 1000))


def test_a_warm_up_comes_before_any_schedule() -> None:
    recipe = Recipe(epochs=10, lr=0.4, warmup_epochs=2, schedule="step", milestones=(0.5,), gamma=0.5)
    rates = [learning_rate(recipe, step, 100) for step in range(1000)]
    assert rates[99] == pytest.approx(0.4 * 100 / 201)
    assert rates[200:500] == [0.4] * 300
    assert rates[500:] == [0.2] * 500
