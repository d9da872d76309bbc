"""AttentionNeXt against an independent evaluation with the same weights."""

from typing import Any

import pytest
import torch

from ran_deploy.arch.ran_next import AttentionNextOptions
from ran_deploy.arch.registry import create_model
from ran_deploy.errors import UsageError
from tests.arch import layer_list
from tests.arch.lively import with_lively_statistics

NARROW = {"width": 0.125}


@pytest.mark.parametrize(("arch", "modules"), [("attnext56", (1, 1, 1)), ("attnext92", (1, 2, 3))])
def test_wiring_equals_the_layer_list(arch: str, modules: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model(arch, "imagenet", 7, **NARROW)).double()
    images = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    weights = layer_list.Weights(model.state_dict())
    wiring = layer_list.Wiring(unit=layer_list.next_unit, mask_head=layer_list.next_mask_head)
    with torch.no_grad():
        expected = layer_list.imagenet(weights, images, modules, wiring)
        actual = model(images)
    assert (actual - expected).abs().max() / expected.abs().max() < 1e-9
    assert not {name for name in weights.state if "num_batches" not in name} - weights.used


@pytest.mark.parametrize(("arch", "convolutions", "norms"), [("attnext56", 110, 107), ("attnext92", 179, 173)])
def test_layers_are_those_of_the_published_files(arch: str, convolutions: int, norms: int) -> None:
    with torch.device("meta"):
        layers = [type(module) for module in create_model(arch, "imagenet").modules()]
    assert (layers.count(torch.nn.Conv2d), layers.count(torch.nn.BatchNorm2d)) == (convolutions, norms)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    model = create_model("attnext56", "imagenet", 7, attention="spatial", **NARROW).train()
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "groups"), [({}, 32), (NARROW, 4), ({"width": 2.0}, 32), ({"width": 0.3}, 2), ({"groups": 8}, 8)]
)
def test_groups_keep_their_size_in_a_narrow_network(options: dict[str, Any], groups: int) -> None:
    assert AttentionNextOptions(**options).cardinality() == groups


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 0}, "groups is 0"),
        ({"groups": 32, "width": 0.125}, "16 channels inside, which do not make 32 groups"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("attnext56", "imagenet", **options)


def test_there_is_no_cifar_layout() -> None:
    with pytest.raises(UsageError, match="attnext56 has no cifar layout"):
        create_model("attnext56", "cifar10")
