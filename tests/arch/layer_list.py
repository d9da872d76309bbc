"""An independent evaluation of the networks: numpy-style functions over a flat list of layers.

It shares no code with ``ran_deploy.arch``: it walks the wiring written down in the paper and in the published
deploy files, and takes the weights from a state dict in the order in which layers occur.
"""

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


def bn_relu(w: Weights, x: Tensor, name: str) -> Tensor:
    mean, var = w(f"{name}.0.running_mean"), w(f"{name}.0.running_var")
    gamma, beta = w(f"{name}.0.weight"), w(f"{name}.0.bias")
    shape = (1, -1, 1, 1)
    x = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5) * gamma.view(shape) + beta.view(shape)
    return x.clamp(min=0)


def conv(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    weight = w(f"{name}.weight")
    return functional.conv2d(x, weight, stride=stride, padding=(weight.shape[-1] - 1) // 2)


def unit(w: Weights, x: Tensor, name: str, stride: int = 1) -> Tensor:
    a = bn_relu(w, x, f"{name}.preact")
    y = conv(w, a, f"{name}.body.0")
    y = conv(w, bn_relu(w, y, f"{name}.body.1"), f"{name}.body.2", stride)
    y = conv(w, bn_relu(w, y, f"{name}.body.3"), f"{name}.body.4")
    shortcut = f"{name}.shortcut"
    return y + (conv(w, a, shortcut, stride) if f"{shortcut}.weight" in w.state else x)


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


def mask(w: Weights, x: Tensor, name: str, depth: int) -> Tensor:
    sides = []
    for level in range(depth - 1):
        x = unit(w, caffe_pool(x), f"{name}.down.{level}.0")
        sides.append(unit(w, x, f"{name}.skip.{level}.0"))
    x = caffe_pool(x)
    for index in range(2):
        x = unit(w, x, f"{name}.bottom.{index}")
    for level in range(depth - 1):
        x = upsample(x) + sides[depth - 2 - level]
        x = unit(w, x, f"{name}.up.{level}.0")
    x = upsample(x)
    x = conv(w, bn_relu(w, x, f"{name}.head.0"), f"{name}.head.1")
    x = conv(w, bn_relu(w, x, f"{name}.head.2"), f"{name}.head.3")
    return 1 / (1 + torch.exp(-x))


def attention(w: Weights, x: Tensor, name: str, depth: int, *, naive: bool = False) -> Tensor:
    x = unit(w, x, f"{name}.before.0")
    trunk = unit(w, unit(w, x, f"{name}.trunk.0"), f"{name}.trunk.1")
    m = mask(w, x, f"{name}.mask", depth)
    return unit(w, m * trunk if naive else (1 + m) * trunk, f"{name}.after.0")


def head(w: Weights, x: Tensor) -> Tensor:
    x = bn_relu(w, x, "final")
    return x.mean((2, 3)) @ w("classifier.weight").T + w("classifier.bias")


def cifar(w: Weights, x: Tensor, modules: int, *, naive: bool = False) -> Tensor:
    """Stem 3×3 → for widths 64, 128, 256: unit, modules, unit → BN-ReLU → pool → classifier."""
    x = conv(w, x, "stem")
    position = 0
    for depth, stride in ((3, 1), (2, 2), (1, 2)):
        x = unit(w, x, f"stages.{position}", stride)
        for index in range(modules):
            x = attention(w, x, f"stages.{position + 1 + index}", depth, naive=naive)
        x = unit(w, x, f"stages.{position + 1 + modules}")
        position += 2 + modules
    return head(w, x)


def imagenet(w: Weights, x: Tensor, modules: tuple[int, int, int]) -> Tensor:
    """Stem 7×7/2, BN-ReLU, pool → unit 256, A → unit 512/2, B → unit 1024/2, C → three units 2048."""
    x = functional.conv2d(x, w("stem.0.weight"), stride=2, padding=3)
    x = caffe_pool(bn_relu(w, x, "stem.1"))
    position = 0
    for count, depth, stride in zip(modules, (3, 2, 1), (1, 2, 2), strict=True):
        x = unit(w, x, f"stages.{position}", stride)
        for index in range(count):
            x = attention(w, x, f"stages.{position + 1 + index}", depth)
        position += 1 + count
    for index in range(3):
        x = unit(w, x, f"stages.{position + index}", 2 if index == 0 else 1)
    return head(w, x)
