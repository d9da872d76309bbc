"""What holds for every registered network, at a small width."""

import pytest
import torch

from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.registry import arch_entries, create_model
from ran_deploy.data.catalog import dataset_info


@pytest.mark.parametrize("entry", arch_entries(), ids=lambda entry: f"{entry.name}-{entry.layout}")
def test_every_parameter_learns(entry: ArchEntry) -> None:
    torch.manual_seed(0)
    network = create_model(entry.name, entry.home, 5, width=0.125).train()
    side = min(dataset_info(entry.home).size, 64)
    network(torch.randn(4, 3, side, side)).square().sum().backward()
    without = [
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not without
