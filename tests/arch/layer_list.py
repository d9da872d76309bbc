"""An independent evaluation of the Residual Attention Networks: numpy-style functions over a flat list of layers.

It shares no code with ``ran_deploy.arch``: it walks the wiring written down in the paper and in the published
deploy files, and takes the weights from a state dict in the order in which layers occur.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


class Weights:
    """Hands out tensors by name prefix and remembers which were used."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state
        self.used: set[str] = set()

    def __call__(self, name: str) -> Tensor:
        self.used.add(name)
        return self.state[name]


def bn(w: Weights, x: Tensor, name: str) -> Tensor:
    mean, var = w(f"{name}.running_mean"), w(f"{name}.running_var")
    gamma, beta = w(f"{name}.weight"), w(f"{name}.bias")
    shape = (1, -1, 1, 1)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5) * gamma.view(shape) + beta.view(shape)


def bn_relu(w: Weights, x: Tensor, name: str) -> Tensor:
    return bn(w, x, f"{name}.0").clamp(min=0)


def conv(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    """A convolution; in groups where the weights have fewer channels than the input."""
    weight = w(f"{name}.weight")
    per_group = weight.shape[1]
    parts = [
        functional.conv2d(part, kernel, stride=stride, padding=(weight.shape[-1] - 1) // 2)
        for part, kernel in zip(torch.split(x, per_group, 1), weight.chunk(x.shape[1] // per_group), strict=True)
    ]
    return torch.cat(parts, 1)


def unit(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    a = bn_relu(w, x, f"{name}.preact")
    y = conv(w, a, f"{name}.body.0")
    y = conv(w, bn_relu(w, y, f"{name}.body.1"), f"{name}.body.2", stride)
    y = conv(w, bn_relu(w, y, f"{name}.body.3"), f"{name}.body.4")
    shortcut = f"{name}.shortcut"
    return y + (conv(w, a, shortcut, stride) if f"{shortcut}.weight" in w.state else x)


def next_unit(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    """1×1-BN-ReLU, grouped 3×3-BN-ReLU, 1×1-BN, plus the input or its 1×1-BN; ReLU."""
    y = bn_relu(w, conv(w, x, f"{name}.body.0"), f"{name}.body.1")
    y = bn_relu(w, conv(w, y, f"{name}.body.2", stride), f"{name}.body.3")
    y = bn(w, conv(w, y, f"{name}.body.4"), f"{name}.body.5")
    if f"{name}.shortcut.0.weight" in w.state:
        x = bn(w, conv(w, x, f"{name}.shortcut.0", stride), f"{name}.shortcut.1")
    return (x + y).clamp(min=0)


def inception_unit(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    """BN-ReLU; 1×1, 1×1-3×3 and 1×1-5×5 side by side, BN-ReLU behind each; 1×1; plus the raw input, or a 1×1."""
    a = bn_relu(w, x, f"{name}.preact")
    sides = [bn_relu(w, conv(w, a, f"{name}.body.0.0.0", stride), f"{name}.body.0.0.1")]
    for branch in ("1", "2"):
        y = bn_relu(w, conv(w, a, f"{name}.body.0.{branch}.0"), f"{name}.body.0.{branch}.1")
        y = conv(w, y, f"{name}.body.0.{branch}.2", stride)
        sides.append(bn_relu(w, y, f"{name}.body.0.{branch}.3"))
    y = conv(w, torch.cat(sides, 1), f"{name}.body.1")
    shortcut = f"{name}.shortcut"
    return y + (conv(w, a, shortcut, stride) if f"{shortcut}.weight" in w.state else x)


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def mixed(x: Tensor) -> Tensor:
    return sigmoid(x)


def channel(x: Tensor) -> Tensor:
    return x / torch.sqrt((x**2).sum(1, keepdim=True))


def spatial(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    deviation = flat - flat.mean(2, keepdim=True)
    return sigmoid(deviation / torch.sqrt((deviation**2).mean(2, keepdim=True))).view(x.shape)


def preact_mask_head(w: Weights, x: Tensor, name: str) -> Tensor:
    x = conv(w, bn_relu(w, x, f"{name}.0"), f"{name}.1")
    return conv(w, bn_relu(w, x, f"{name}.2"), f"{name}.3")


def next_mask_head(w: Weights, x: Tensor, name: str) -> Tensor:
    x = bn_relu(w, conv(w, x, f"{name}.0"), f"{name}.1")
    return conv(w, x, f"{name}.2")


Unit = Callable[..., Tensor]


@dataclass(frozen=True)
class Wiring:
    """What the networks differ in."""

    unit: Unit = unit
    mask_head: Unit = preact_mask_head
    attention: Callable[[Tensor], Tensor] = mixed
    naive: bool = False
    local: bool = False
    p: int = 1
    t: int = 2
    down: int = 1
    bottom: int = 2
    up: int = 1


def units(w: Weights, x: Tensor, name: str, wiring: Wiring, count: int) -> Tensor:
    for index in range(count):
        x = wiring.unit(w, x, f"{name}.{index}")
    return x


def caffe_pool(x: Tensor) -> Tensor:
    """Max pool 3×3/2 without padding; windows that run over the edge are cut (Caffe's ceil rule)."""
    height, width = x.shape[2:]
    rows = [x[:, :, i : i + 3].amax(2) for i in range(0, height - 1, 2)]
    tall = torch.stack(rows, 2)
    return torch.stack([tall[:, :, :, j : j + 3].amax(3) for j in range(0, width - 1, 2)], 3)


def interpolation(size_in: int, size_out: int) -> Tensor:
    """The matrix of aligned-corners linear interpolation."""
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    for out in range(size_out):
        position = out * (size_in - 1) / (size_out - 1)
        low = min(int(position), size_in - 1)
        high = min(low + 1, size_in - 1)
        matrix[out, low] += 1 - (position - low)
        matrix[out, high] += position - low
    return matrix


def upsample(x: Tensor) -> Tensor:
    rows = interpolation(x.shape[2], 2 * x.shape[2]).to(x.dtype)
    columns = interpolation(x.shape[3], 2 * x.shape[3]).to(x.dtype)
    return torch.einsum("oh,nchw,pw->ncop", rows, x, columns)


def mask(w: Weights, x: Tensor, name: str, depth: int, wiring: Wiring) -> Tensor:
    if wiring.local:
        x = units(w, x, f"{name}.local", wiring, 3)
    else:
        sides = []
        for level in range(depth - 1):
            x = units(w, caffe_pool(x), f"{name}.down.{level}", wiring, wiring.down)
            sides.append(wiring.unit(w, x, f"{name}.skip.{level}.0"))
        x = units(w, caffe_pool(x), f"{name}.bottom", wiring, wiring.bottom)
        for level in range(depth - 1):
            x = upsample(x) + sides[depth - 2 - level]
            x = units(w, x, f"{name}.up.{level}", wiring, wiring.up)
        x = upsample(x)
    return wiring.attention(wiring.mask_head(w, x, f"{name}.head"))


def attention(w: Weights, x: Tensor, name: str, depth: int, wiring: Wiring) -> Tensor:
    x = units(w, x, f"{name}.before", wiring, wiring.p)
    trunk = units(w, x, f"{name}.trunk", wiring, wiring.t)
    m = mask(w, x, f"{name}.mask", depth, wiring)
    return units(w, m * trunk if wiring.naive else (1 + m) * trunk, f"{name}.after", wiring, wiring.p)


def head(w: Weights, x: Tensor) -> Tensor:
    if "final.0.weight" in w.state:
        x = bn_relu(w, x, "final")
    return x.mean((2, 3)) @ w("classifier.weight").T + w("classifier.bias")


def cifar(w: Weights, x: Tensor, modules: int, wiring: Wiring = Wiring()) -> Tensor:
    """Stem 3×3 → for widths 64, 128, 256: unit, modules, unit → BN-ReLU → pool → classifier."""
    x = conv(w, x, "stem")
    position = 0
    for depth, stride in ((3, 1), (2, 2), (1, 2)):
        x = wiring.unit(w, x, f"stages.{position}", stride)
        for index in range(modules):
            x = attention(w, x, f"stages.{position + 1 + index}", depth, wiring)
        x = wiring.unit(w, x, f"stages.{position + 1 + modules}")
        position += 2 + modules
    return head(w, x)


def imagenet(w: Weights, x: Tensor, modules: tuple[int, int, int], wiring: Wiring = Wiring()) -> Tensor:
    """Stem 7×7/2, BN-ReLU, pool → unit 256, A → unit 512/2, B → unit 1024/2, C → three units 2048."""
    x = functional.conv2d(x, w("stem.0.weight"), stride=2, padding=3)
    x = caffe_pool(bn_relu(w, x, "stem.1"))
    position = 0
    for count, depth, stride in zip(modules, (3, 2, 1), (1, 2, 2), strict=True):
        x = wiring.unit(w, x, f"stages.{position}", stride)
        for index in range(count):
            x = attention(w, x, f"stages.{position + 1 + index}", depth, wiring)
        position += 1 + count
    for index in range(3):
        x = wiring.unit(w, x, f"stages.{position + index}", 2 if index == 0 else 1)
    return head(w, x)
