"""AttentionInception-56 against an independent evaluation with the same weights."""

import torch

from ran_deploy.arch.registry import create_model
from tests.arch import layer_list
from tests.arch.lively import with_lively_statistics


def test_wiring_equals_the_layer_list() -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("attincept56", "imagenet", 7, width=0.125)).double()
    images = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    weights = layer_list.Weights(model.state_dict())
    with torch.no_grad():
        expected = layer_list.imagenet(weights, images, (1, 1, 1), layer_list.Wiring(unit=layer_list.inception_unit))
        actual = model(images)
    assert (actual - expected).abs().max() / expected.abs().max() < 1e-9
    assert not {name for name in weights.state if "num_batches" not in name} - weights.used


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    model = create_model("attincept56", "imagenet", 7, width=0.25).train()
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in model.parameters())
