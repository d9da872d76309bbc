import copy

import pytest
import torch
from torch import nn

from ran_deploy.arch.registry import create_model
from ran_deploy.train.optim import make_optimizer, update_average
from ran_deploy.train.recipe import Recipe


def test_no_decay_on_normalization_and_biases() -> None:
    model = create_model("att56", width=0.25)
    decayed, free = make_optimizer(model, Recipe(weight_decay=0.1)).param_groups
    assert decayed["weight_decay"] == 0.1
    assert free["weight_decay"] == 0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))
    assert decayed["nesterov"]


def test_adam_decays_weights_apart_from_the_gradient() -> None:
    model = nn.Linear(2, 1)
    model.weight.data.fill_(1.0)
    model.bias.data.fill_(1.0)
    recipe = Recipe(optimizer="adam", lr=0.1, weight_decay=0.5, momentum=0.8)
    optimizer = make_optimizer(model, recipe)
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.999)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    # Adam's first step is lr whatever the size of the gradient; the decay is lr * weight_decay of the weight.
    assert model.weight.tolist()[0] == pytest.approx([1 - 0.1 * 0.5 - 0.1] * 2, abs=1e-5)
    assert model.bias.item() == pytest.approx(1 - 0.1, abs=1e-5)


def test_average_moves_and_counters_are_copied() -> None:
    model = nn.BatchNorm1d(2)
    average = copy.deepcopy(model)
    model.weight.data.fill_(3)
    assert model.num_batches_tracked is not None
    model.num_batches_tracked += 7
    update_average(average, model, 0.75)
    assert torch.allclose(average.weight, torch.full((2,), 1.5))
    assert int(average.num_batches_tracked) == 7  # type: ignore[arg-type]
