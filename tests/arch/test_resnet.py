"""The residual networks' wiring, against an independent evaluation of the same weights."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ran_deploy.arch.registry import create_model
from tests.arch.layer_list import Weights, bn_relu, conv, head, unit
from tests.arch.lively import with_lively_statistics


def bn(w: Weights, x: Tensor, name: str) -> Tensor:
    mean, var, gamma, beta = (w(f"{name}.{key}") for key in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, mean, var, gamma, beta)


def post_act_unit(w: Weights, x: Tensor, name: str, stride: int) -> Tensor:
    y = bn_relu(w, conv(w, x, f"{name}.body.0"), f"{name}.body.1")
    y = bn_relu(w, conv(w, y, f"{name}.body.2", stride), f"{name}.body.3")
    y = bn(w, conv(w, y, f"{name}.body.4"), f"{name}.body.5")
    if f"{name}.shortcut.0.weight" in w.state:
        x = bn(w, conv(w, x, f"{name}.shortcut.0", stride), f"{name}.shortcut.1")
    return (x + y).clamp(min=0)


def unused(w: Weights) -> set[str]:
    return {name for name in w.state if "num_batches" not in name} - w.used


@pytest.mark.parametrize(("dataset", "size"), [("cifar10", 32), ("cifar10", 40), ("imagenet", 64)])
def test_resnet152_equals_the_layer_list(dataset: str, size: int) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("resnet152", dataset, 7, width=0.125)).double()
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    w = Weights(model.state_dict())
    with torch.no_grad():
        x = bn_relu(w, functional.conv2d(images, w("stem.0.weight"), stride=2, padding=3), "stem.1")
        x = functional.max_pool2d(x, 3, 2, 1)
        for position in range(3 + 8 + 36 + 3):
            x = post_act_unit(w, x, f"stages.{position}", 2 if position in (3, 11, 47) else 1)
        assert x.shape[2] == -(-size // 32), "32×32 images end at 1×1"
        expected = x.mean((2, 3)) @ w("classifier.weight").T + w("classifier.bias")
        assert torch.allclose(model(images), expected, rtol=1e-9)
    assert not unused(w)


def test_resnet164_equals_the_layer_list() -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("resnet164", width=0.25)).double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    w = Weights(model.state_dict())
    with torch.no_grad():
        x = conv(w, images, "stem")
        for position in range(3 * 18):
            x = unit(w, x, f"stages.{position}", 2 if position in (18, 36) else 1)
        assert x.shape[2:] == (8, 8)
        expected = head(w, x)
        assert torch.allclose(model(images), expected, rtol=1e-9)
    assert not unused(w)
