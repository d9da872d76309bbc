"""Optimizer, and the moving average of the weights."""

import torch
from torch import nn

from ran_deploy.train.recipe import Recipe

_BETA2 = 0.999
"""Decay of Adam's second moment (Kingma and Ba, 2015, algorithm 1)."""


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return Nesterov SGD, or Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    One-dimensional parameters (batch normalization, biases) have no weight decay.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adam":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, _BETA2), fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move ``average`` towards ``model``: floating tensors by 1 - decay, counters by copy."""
    source, target = model.state_dict(), average.state_dict()
    floating = [name for name, tensor in source.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([target[name] for name in floating], [source[name] for name in floating], 1 - decay)
    for name, tensor in source.items():
        if not tensor.is_floating_point():
            target[name].copy_(tensor)
