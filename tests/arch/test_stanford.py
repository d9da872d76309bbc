"""The Stanford networks: the report's shapes, the wiring against an independent evaluation, and what is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ran_deploy.arch.masks import mask_names, mask_specs
from ran_deploy.arch.network import Attended
from ran_deploy.arch.registry import create_model
from ran_deploy.errors import UsageError
from tests.arch.layer_list import Weights, bn_relu, interpolation
from tests.arch.lively import with_lively_statistics

NAMES = ("attn-none", "attn-none-extra", "attn-simple", "attn-reduction")


def conv(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    weight, bias = w(f"{name}.weight"), w(f"{name}.bias")
    padding = weight.shape[-1] // 2 if stride == 1 else 0
    return functional.conv2d(x, weight, bias, stride, padding)


def residual(w: Weights, x: Tensor, name: str) -> Tensor:
    y = conv(w, bn_relu(w, x, f"{name}.body.0"), f"{name}.body.1")
    return x + conv(w, bn_relu(w, y, f"{name}.body.2"), f"{name}.body.3")


def halved(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def attention(w: Weights, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
    trunk = residual(w, residual(w, x, f"{name}.trunk.0"), f"{name}.trunk.1")
    m = residual(w, halved(residual(w, halved(x), f"{name}.mask.down.1")), f"{name}.mask.down.3")
    up = interpolation(m.shape[2], 4 * m.shape[2]).to(m.dtype)
    m = 1 / (1 + torch.exp(-torch.einsum("oh,nchw,pw->ncop", up, m, up)))
    return (1 + m) * trunk, m


def reduction(w: Weights, x: Tensor, name: str) -> Tensor:
    """As the report has it: concatenate, then ReLU."""
    single = conv(w, x, f"{name}.body.1.0", 2)
    double = conv(w, conv(w, x, f"{name}.body.2.0.0").clamp(min=0), f"{name}.body.2.1.0", 2)
    return torch.cat([functional.max_pool2d(x, 3, 2), single, double], 1).clamp(min=0)


def inception(w: Weights, x: Tensor, name: str) -> Tensor:
    branches = []
    for branch, convolutions in enumerate((("0",), ("0.0", "1.0"), ("0.0", "1.0", "2.0"))):
        y = x
        for convolution in convolutions:
            y = conv(w, y, f"{name}.body.0.{branch}.{convolution}").clamp(min=0)
        branches.append(y)
    return x + conv(w, torch.cat(branches, 1), f"{name}.body.1")


def evaluate(w: Weights, x: Tensor, arch: str) -> tuple[Tensor, list[tuple[int, ...]]]:
    """The logits, and the shape after each row of the report's figure 7."""
    x = conv(w, x, "stem")
    shapes = [x.shape[1:]]
    if arch.startswith("attn-none"):
        x = residual(w, residual(w, x, "stages.0.0"), "stages.0.1")
    else:
        x, _ = attention(w, x, "stages.0")
    shapes.append(x.shape[1:])
    for position, step in enumerate((reduction, residual, reduction, inception), 1):
        x = step(w, x, f"stages.{position}")
        shapes.append(x.shape[1:])
    if arch == "attn-reduction":
        x = reduction(w, x, "stages.5")
        shapes.append(x.shape[1:])
    x = x.mean((2, 3))
    if arch == "attn-none-extra":
        x = (x @ w("hidden.0.weight").T + w("hidden.0.bias")).clamp(min=0)
    return x @ w("classifier.weight").T + w("classifier.bias"), [tuple(shape) for shape in shapes]


@pytest.mark.parametrize("arch", NAMES)
def test_wiring_equals_the_layer_list(arch: str) -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model(arch, "tiny-imagenet", 7, width=0.25)).double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    w = Weights(model.state_dict())
    with torch.no_grad():
        expected, _ = evaluate(w, images, arch)
        assert torch.allclose(model(images), expected, rtol=1e-9)
    assert not {name for name in w.state if "num_batches" not in name} - w.used


def test_shapes_of_the_report() -> None:
    model = create_model("attn-reduction", "tiny-imagenet").eval()
    with torch.no_grad():
        logits, shapes = evaluate(Weights(model.state_dict()), torch.zeros(1, 3, 64, 64), "attn-reduction")
    assert logits.shape == (1, 200)
    assert shapes == [
        *[(64, 64, 64), (64, 64, 64)],
        *[(128, 31, 31), (128, 31, 31)],
        *[(320, 15, 15), (320, 15, 15)],
        (832, 7, 7),
    ]


def test_the_mask_is_seen() -> None:
    torch.manual_seed(0)
    model = with_lively_statistics(create_model("attn-simple", "tiny-imagenet", 7, width=0.25)).double()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    seen: list[Attended] = []
    w = Weights(model.state_dict())
    with torch.no_grad():
        model(images, seen)
        after, mask = attention(w, conv(w, images, "stem"), "stages.0")
    assert torch.allclose(seen[0].mask, mask, rtol=1e-9)
    assert torch.allclose(seen[0].after, after, rtol=1e-9)
    assert [spec.shape for spec in mask_specs(model.float(), 64)] == [(-1, 64, 64)]
    assert mask_names(create_model("attn-none", "tiny-imagenet", width=0.25)) == ()


@pytest.mark.parametrize("arch", NAMES)
def test_small_images_too(arch: str) -> None:
    assert create_model(arch, "cifar10", width=0.125).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(
    ("arch", "size", "message"),
    [
        ("attn-simple", 30, "30×30; this network takes multiples of 4"),
        ("attn-simple", 4, "4×4; this network takes at least 7×7"),
        ("attn-none", 6, "6×6; this network takes at least 7×7"),
        ("attn-reduction", 12, "12×12; this network takes at least 15×15"),
    ],
)
def test_other_sizes_are_refused(arch: str, size: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model(arch, width=0.125).eval()(torch.zeros(1, 3, size, size))


def test_the_smallest_size_is_taken() -> None:
    for arch, size in (("attn-simple", 8), ("attn-none", 7), ("attn-reduction", 16)):
        assert create_model(arch, width=0.125).eval()(torch.zeros(1, 3, size, size)).shape == (1, 10)


def test_dropout_is_the_reports_and_works_only_while_training() -> None:
    torch.manual_seed(0)
    model = create_model("attn-simple", width=0.125)
    assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [0.4]
    images = torch.randn(2, 3, 32, 32)
    model.eval()
    assert torch.equal(model(images), model(images))
    model.dropout.train()  # type: ignore[union-attr]
    assert not torch.equal(model(images), model(images))
    with pytest.raises(UsageError, match="dropout is 1"):
        create_model("attn-simple", dropout=1.0)
