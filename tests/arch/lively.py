"""Weights with which two evaluations of a network agree only where their wiring does."""

import torch
from torch import nn


def with_lively_statistics(model: nn.Module) -> nn.Module:
    """Give batch normalization statistics and scales that a mistake in the wiring could not hide behind."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.6, 1.6),
                (module.weight.data, 0.6, 1.4),
                (module.bias.data, -0.2, 0.4),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    return model.eval()
