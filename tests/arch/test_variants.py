"""The variants of a Residual Attention Network: attention types, local masks, where r counts."""

from typing import Any

import pytest
import torch

from ran_deploy.arch.attention_type import channel, spatial
from ran_deploy.arch.ran_options import AttentionType
from ran_deploy.arch.registry import create_model
from ran_deploy.arch.soft_mask import LocalMask
from ran_deploy.errors import UsageError
from tests.arch import layer_list
from tests.arch.layer_list import Wiring
from tests.arch.lively import with_lively_statistics

DOWNWARD = {"p": 2, "t": 1, "r": 2, "mask_units": "downward"}


@pytest.mark.parametrize(
    ("options", "wiring"),
    [
        ({"attention": "channel"}, Wiring(attention=layer_list.channel)),
        ({"attention": "spatial"}, Wiring(attention=layer_list.spatial)),
        ({"attention": "spatial", "learning": "naive"}, Wiring(attention=layer_list.spatial, naive=True)),
        ({"mask": "local"}, Wiring(local=True)),
        ({"mask": "local", "attention": "channel"}, Wiring(local=True, attention=layer_list.channel)),
        (DOWNWARD, Wiring(p=2, t=1, down=2, bottom=3, up=1)),
        ({"r": 2}, Wiring(down=2, bottom=4, up=2)),
    ],
)
def test_wiring_equals_the_layer_list(options: dict[str, Any], wiring: Wiring) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("att56", width=0.25, **options)).double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    weights = layer_list.Weights(model.state_dict())
    with torch.no_grad():
        expected = layer_list.cifar(weights, images, 1, wiring)
        actual = model(images)
    assert (actual - expected).abs().max() / expected.abs().max() < 1e-9
    assert not {name for name in weights.state if "num_batches" not in name} - weights.used


@pytest.mark.parametrize("kind", ["mixed", "channel", "spatial"])
@pytest.mark.parametrize("mask", ["encoder-decoder", "local"])
def test_every_parameter_learns(kind: AttentionType, mask: str) -> None:
    torch.manual_seed(0)
    model = create_model("att56", width=0.125, attention=kind, mask=mask).train()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert not [name for name, gradient in gradients.items() if gradient is None or not gradient.abs().max() > 0]
    assert all(gradient.isfinite().all() for gradient in gradients.values() if gradient is not None)


@pytest.mark.parametrize(("ours", "reference"), [(channel, layer_list.channel), (spatial, layer_list.spatial)])
def test_attention_types_are_those_of_the_paper_and_so_are_their_gradients(ours: Any, reference: Any) -> None:
    x = torch.randn(2, 5, 6, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 5, 6, 4, dtype=torch.float64)
    mine, theirs = (torch.autograd.grad((function(x) * weights).sum(), x)[0] for function in (ours, reference))
    assert torch.allclose(ours(x), reference(x), rtol=1e-12)
    assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", [channel, spatial])
@pytest.mark.parametrize("scale", [3e4, 1.0, 1e-3])
def test_every_step_survives_float16(function: Any, scale: float) -> None:
    """Each operation rounded to float16, as a GPU does it: magnitudes whose squares it cannot hold."""
    torch.manual_seed(0)
    x = torch.rand(1, 2048, 8, 8).mul(2).sub(1).mul(scale)
    half = function(x.half())
    assert half.dtype == torch.float16
    assert (half.float() - function(x.double()).float()).abs().max() < 2e-3


def test_constant_features_give_a_mask_all_the_same() -> None:
    flat = torch.full((1, 3, 4, 4), 7.0)
    assert torch.equal(spatial(flat), torch.full_like(flat, 0.5))
    assert torch.equal(spatial(flat[..., :1, :1]), torch.full((1, 3, 1, 1), 0.5))
    nothing = torch.zeros(1, 3, 4, 4, requires_grad=True)
    assert torch.equal(channel(nothing), nothing)
    for function in (channel, spatial):
        (gradient,) = torch.autograd.grad(function(nothing).sum(), nothing)
        assert gradient.isfinite().all()


def test_a_channel_mask_has_length_1_at_each_position() -> None:
    x = torch.randn(2, 16, 3, 3)
    assert torch.allclose(channel(x).square().sum(1), torch.ones(2, 3, 3), atol=1e-5)
    assert channel(x).min() < 0, "it is not one of 0 to 1"


def test_a_local_mask_asks_less_of_the_images_size() -> None:
    with torch.device("meta"):
        model = create_model("att56", width=0.125, mask="local").eval()
    assert model(torch.zeros(2, 3, 20, 12, device="meta")).shape == (2, 10)
    with pytest.raises(UsageError, match="multiples of 4"):
        model(torch.zeros(1, 3, 6, 4, device="meta"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "soft"}, "attention is 'soft'; expected one of 'mixed', 'channel', 'spatial'"),
        ({"mask": "none"}, "mask is 'none'"),
        ({"mask_units": "up"}, "mask_units is 'up'"),
        ({"mask": "local", "r": 2}, "r is given, which a local mask does not have"),
        ({"mask": "local", "mask_depths": (2, 2, 1)}, "mask_depths is given"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("att56", **options)


def test_attention_452_counts_r_as_its_size_tells() -> None:
    def parameters(arch: str, **options: Any) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in create_model(arch, **options).parameters())

    assert parameters("att452", mask_units="symmetric") == 10_181_210
    assert parameters("att56", mask_units="downward") == parameters("att56"), "with r = 1 both are the same"


def test_attention_452_can_have_a_local_mask() -> None:
    with torch.device("meta"):
        layers = create_model("att452", mask="local").modules()
    assert sum(isinstance(module, LocalMask) for module in layers) == 18
