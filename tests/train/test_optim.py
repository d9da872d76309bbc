import copy

import pytest
import torch
from torch import nn

from ran_deploy.arch.registry import create_model
from ran_deploy.train.optim import make_optimizer, update_average
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.schedule import learning_rate


def test_no_decay_on_normalization_and_biases() -> None:
    model = create_model("att56", width=0.25)
    decayed, free = make_optimizer(model, Recipe(weight_decay=0.1)).param_groups
    assert decayed["weight_decay"] == 0.1
    assert free["weight_decay"] == 0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))
    assert decayed["nesterov"]


def test_warm_up_then_cosine_to_zero() -> None:
    recipe = Recipe(epochs=10, lr=0.4, warmup_epochs=2)
    rates = [learning_rate(recipe, step, 100) for step in range(1000)]
    assert rates[0] == pytest.approx(0.4 / 201)
    assert rates[:200] == sorted(rates[:200])
    assert max(rates) == rates[200] == 0.4
    assert rates[200:] == sorted(rates[200:], reverse=True)
    assert rates[600] == pytest.approx(0.2)
    assert rates[-1] < 1e-5


def test_warm_up_never_takes_more_than_half() -> None:
    assert learning_rate(Recipe(epochs=1, lr=1.0, warmup_epochs=5), 50, 100) == 1.0


def test_average_moves_and_counters_are_copied() -> None:
    model = nn.BatchNorm1d(2)
    average = copy.deepcopy(model)
    model.weight.data.fill_(3)
    assert model.num_batches_tracked is not None
    model.num_batches_tracked += 7
    update_average(average, model, 0.75)
    assert torch.allclose(average.weight, torch.full((2,), 1.5))
    assert int(average.num_batches_tracked) == 7  # type: ignore[arg-type]
