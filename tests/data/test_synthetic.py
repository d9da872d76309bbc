"""The generated set: the same bytes everywhere, and something that a network can learn."""

import hashlib

import numpy as np
import pytest
import torch

from ran_deploy.data.dataset import Split
from ran_deploy.data.synthetic import TEST_COUNT, TRAIN_COUNT, make_synthetic


@pytest.mark.parametrize(
    ("split", "count", "digest"),
    [
        ("train", TRAIN_COUNT, "add552b3d21515c6c9038b58f2991b78520805037dc5410dde8869d90086b312"),
        ("test", TEST_COUNT, "240073dd496b00cfb4bf1437c8990bc44d20a2c8cc46c7500b73d19de1631459"),
    ],
)
def test_bytes_are_pinned(split: Split, count: int, digest: str) -> None:
    data = make_synthetic(split)
    assert data.images.shape == (count, 32, 32, 3)
    assert data.images.dtype == np.uint8
    assert hashlib.sha256(data.images.tobytes() + data.targets.astype("<i8").tobytes()).hexdigest() == digest


def test_classes_are_balanced_and_mixed() -> None:
    data = make_synthetic("test")
    assert data.labels == data.info.labels
    assert np.bincount(data.targets).tolist() == [TEST_COUNT // 10] * 10
    assert len(np.unique(data.targets[:100])) == 10


def test_splits_share_no_image() -> None:
    train, test = make_synthetic("train"), make_synthetic("test")
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


def test_count_is_free() -> None:
    data = make_synthetic("train", 37)
    assert len(data) == 37
    assert np.bincount(data.targets, minlength=10).max() == 4


def test_a_small_network_learns_it() -> None:
    torch.manual_seed(0)
    train, test = make_synthetic("train", 2000), make_synthetic("test", 500)
    layers: list[torch.nn.Module] = []
    for inner, outer in ((3, 16), (16, 32), (32, 64)):
        layers += [torch.nn.Conv2d(inner, outer, 3, padding=1), torch.nn.BatchNorm2d(outer), torch.nn.ReLU()]
        layers += [torch.nn.MaxPool2d(2)]
    network = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    pixels = torch.from_numpy(train.images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    targets = torch.from_numpy(train.targets)
    for step in range(90):
        rows = torch.arange(step * 64, step * 64 + 64) % len(train)
        loss = torch.nn.functional.cross_entropy(network(pixels[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()
    unseen = torch.from_numpy(test.images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    accuracy = (network(unseen).argmax(1) == torch.from_numpy(test.targets)).float().mean().item()
    assert accuracy > 0.7  # chance is 0.1
