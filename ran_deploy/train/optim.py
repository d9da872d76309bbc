"""Optimizer, learning-rate schedule, and the moving average of the weights."""

import math

import torch
from torch import nn

from ran_deploy.train.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Nesterov SGD; one-dimensional parameters (batch normalization, biases) have no weight decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Linear warm-up to the peak, then half a cosine to zero (Loshchilov and Hutter, 2017)."""
    total = recipe.epochs * steps_per_epoch
    warmup = min(recipe.warmup_epochs * steps_per_epoch, 0.5 * total)
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move ``average`` towards ``model``: floating tensors by 1 - decay, counters by copy."""
    source, target = model.state_dict(), average.state_dict()
    floating = [name for name, tensor in source.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([target[name] for name in floating], [source[name] for name in floating], 1 - decay)
    for name, tensor in source.items():
        if not tensor.is_floating_point():
            target[name].copy_(tensor)
