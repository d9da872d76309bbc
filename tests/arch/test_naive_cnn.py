"""The naive CNN layer by layer, and what it refuses."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from ran_deploy.arch.registry import create_model
from ran_deploy.errors import UsageError


def test_layers_in_their_order() -> None:
    torch.manual_seed(0)
    model = create_model("naive-cnn", num_classes=7, width=0.25, dropout=0.5).double().eval()
    x = images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    tensors = list(model.state_dict().values())
    for index, (padding, side) in enumerate([(1, 32), (0, 15), (1, 15), (0, 6)]):
        x = functional.conv2d(x, tensors[2 * index], tensors[2 * index + 1], padding=padding).clamp(min=0)
        if padding == 0:  # the second of a pair
            x = functional.max_pool2d(x, 2)
        assert x.shape[2:] == (side, side)
    hidden = (x.reshape(2, -1) @ tensors[8].T + tensors[9]).clamp(min=0)
    assert torch.allclose(model(images), hidden @ tensors[10].T + tensors[11], rtol=1e-12)
    assert len(tensors) == 12


def test_dropout_works_only_while_training() -> None:
    torch.manual_seed(0)
    model = create_model("naive-cnn", width=0.25, dropout=0.5)
    images = torch.randn(2, 3, 32, 32)
    assert not torch.equal(model.train()(images), model(images))
    assert torch.equal(model.eval()(images), model(images))


def test_other_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"64×64; this network takes 32×32 only"):
        create_model("naive-cnn", "tiny-imagenet", width=0.25)(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dropout": 1.0}, "dropout is 1.0"), ({"dropout": -0.1}, "dropout"), ({"width": 0.0}, "width is 0.0")],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("naive-cnn", **options)
