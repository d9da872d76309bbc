"""The wiring of the networks, against an independent evaluation with the same weights."""

from typing import Any

import pytest
import torch

from ran_deploy.arch.layout import ResidualAttentionNetwork
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.registry import create_model
from ran_deploy.errors import UsageError
from tests.arch import layer_list
from tests.arch.lively import with_lively_statistics


@pytest.mark.parametrize(("arch", "modules"), [("att56", 1), ("att92", 2)])
@pytest.mark.parametrize("size", [32, 40])
def test_cifar_wiring_equals_the_layer_list(arch: str, modules: int, size: int) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model(arch)).double()
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    weights = layer_list.Weights(model.state_dict())
    with torch.no_grad():
        expected = layer_list.cifar(weights, images, modules)
        actual = model(images)
    assert (actual - expected).abs().max() / expected.abs().max() < 1e-9
    unused = {name for name in weights.state if "num_batches" not in name} - weights.used
    assert not unused, "layers that are created and never used"


def test_cifar_wiring_in_float32_is_below_the_bar() -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("att92"))
    assert isinstance(model, ResidualAttentionNetwork)
    model.classifier.weight.data *= 1e-2  # logits of the size that trained networks have
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = layer_list.cifar(layer_list.Weights(model.state_dict()), images, 2)
        assert (model(images) - expected).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))


def test_naive_learning_wiring() -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("att56", learning="naive", width=0.5)).double()
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = layer_list.cifar(layer_list.Weights(model.state_dict()), images, 1, layer_list.Wiring(naive=True))
        residual = layer_list.cifar(layer_list.Weights(model.state_dict()), images, 1)
        actual = model(images)
    assert torch.allclose(actual, expected, rtol=1e-9)
    assert not torch.allclose(actual, residual, rtol=1e-3)


@pytest.mark.parametrize(("arch", "modules"), [("att56", (1, 1, 1)), ("att92", (1, 2, 3))])
def test_imagenet_wiring_equals_the_layer_list(arch: str, modules: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model(arch, "imagenet", 7, width=0.25)).double()
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    weights = layer_list.Weights(model.state_dict())
    with torch.no_grad():
        expected = layer_list.imagenet(weights, images, modules)
        actual = model(images)
    assert (actual - expected).abs().max() / expected.abs().max() < 1e-9
    assert not {name for name in weights.state if "num_batches" not in name} - weights.used


@pytest.mark.parametrize(("arch", "masks"), [("att56", 3), ("att92", 6)])
def test_the_sigmoid_occurs_once_in_each_mask(arch: str, masks: int) -> None:
    graph = torch.export.export(create_model(arch).eval(), (torch.zeros(2, 3, 32, 32),)).graph
    sigmoids = [node for node in graph.nodes if "sigmoid" in str(node.target)]
    assert len(sigmoids) == masks


@pytest.mark.parametrize(("dataset", "size"), [("cifar10", 36), ("cifar10", 31), ("imagenet", 225)])
def test_sizes_that_the_strides_do_not_allow_are_refused(dataset: str, size: int) -> None:
    model = create_model("att56", dataset, width=0.25).eval()
    with pytest.raises(UsageError, match=f"{size}×{size}.*multiples of"):
        model(torch.zeros(1, 3, size, size))


def test_mask_depths_change_the_smallest_multiple() -> None:
    model = create_model("att56", mask_depths=(1, 1, 1), width=0.25).eval()
    assert model(torch.zeros(1, 3, 24, 16)).shape == (1, 10)


def test_units_before_trunk_and_mask_are_counted_by_p_t_r() -> None:
    def parameters(**options: Any) -> int:
        return sum(p.numel() for p in create_model("att56", **options).parameters())

    base = parameters()
    unit = 64 * 16 + 16 * 16 * 9 + 16 * 64 + 2 * (64 + 16 + 16)  # one unit of the first stage
    per_stage = [unit, 0, 0]
    for index, width in ((1, 128), (2, 256)):
        middle = width // 4
        per_stage[index] = 2 * width * middle + 9 * middle * middle + 2 * (width + 2 * middle)
    assert parameters(p=2) - base == 2 * sum(per_stage)
    assert parameters(t=3) - base == sum(per_stage)
    # r counts on each level: down and up on depth - 1 levels, twice at the bottom.
    assert parameters(r=2) - base == sum(
        count * (2 * (depth - 1) + 2) for count, depth in zip(per_stage, (3, 2, 1), strict=True)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0}, "at least 1"),
        ({"width": 0.0}, "width is 0.0"),
        ({"learning": "soft"}, "learning"),
        ({"mask_depths": (3, 2)}, "mask_depths"),
        ({"mask_depths": (3, 2, 0)}, "mask_depths"),
        ({"witdh": 2.0}, "witdh"),
        ({"p": 1.5}, "whole number"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("att56", **options)


def test_width_keeps_bottlenecks_whole() -> None:
    assert RanOptions(width=0.3).channels(64) % 4 == 0
    assert RanOptions(width=2.0).channels(64) == 128
