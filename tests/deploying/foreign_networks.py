"""Small networks with the structure of torchvision's ResNets and timm's ViTs and ConvNeXts, trained for a moment."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.data.synthetic import make_synthetic

_STEPS, _BATCH = 60, 64


class Basic(nn.Module):
    """torchvision's BasicBlock."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        shortcut = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.downsample = nn.Sequential(*shortcut) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Stem with max pool, two stages, global pool, fully connected head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(Basic(16, 16, 1), Basic(16, 32, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(self.layers(x)), 1))
        return logits


class Attention(nn.Module):
    """timm's attention, unfused: one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.head).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q * self.head**-0.5) @ k.transpose(-2, -1)).softmax(-1)
        mixed: Tensor = self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))
        return mixed


class Encoder(nn.Module):
    """A transformer's block, normalized first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class VisionTransformer(nn.Module):
    """Patches of 8, a class token, learned positions, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, 32))
        self.position = nn.Parameter(0.02 * torch.randn(1, 17, 32))
        self.blocks, self.norm, self.head = nn.Sequential(Encoder(32), Encoder(32)), nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        logits: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return logits


class ConvNeXt(nn.Module):
    """A patch stem, one block (depthwise 7×7, LayerNorm, GELU, layer scale), a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 24, 4, 4), nn.Conv2d(24, 24, 7, padding=3, groups=24)
        self.norm, self.expand, self.shrink = nn.LayerNorm(24), nn.Linear(24, 96), nn.Linear(96, 24)
        self.scale = nn.Parameter(torch.full((24,), 0.5))
        self.head_norm, self.head = nn.LayerNorm(24), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.shrink(functional.gelu(self.expand(self.norm(self.depthwise(x).permute(0, 2, 3, 1))))) * self.scale
        x = x + y.permute(0, 3, 1, 2)
        logits: Tensor = self.head(self.head_norm(x.mean((2, 3))))
        return logits


def trained(kind: type[nn.Module]) -> nn.Module:
    """Train a network on generated images for some seconds, so that its answers are no ties."""
    dataset = make_synthetic("train")
    mean, std = torch.tensor(dataset.info.mean), torch.tensor(dataset.info.std)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = kind().train()
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(_STEPS):
            chosen = torch.randint(0, len(dataset), (_BATCH,)).numpy()
            images = (torch.from_numpy(dataset.batch(chosen)).float() / 255 - mean) / std
            loss = functional.cross_entropy(
                network(images.permute(0, 3, 1, 2)), torch.from_numpy(dataset.targets[chosen])
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return network.eval()


def export(network: nn.Module, path: Path, *, dynamo: bool, dynamic: bool, opset: int) -> Path:
    """Export as a user of torch would, with a batch of one or a dynamic one."""
    images = torch.zeros(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters' futures
        if dynamo:
            torch.onnx.export(network, (images,), path, dynamo=True, opset_version=opset, verbose=False)
        else:
            axes = {"x": {0: "n"}, "y": {0: "n"}} if dynamic else None
            torch.onnx.export(
                *(network, (images,), path),
                dynamo=False,
                opset_version=opset,
                input_names=["x"],
                output_names=["y"],
                dynamic_axes=axes,
            )
    return path
