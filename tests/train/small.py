"""A training that takes a second: a network of two convolutions on images of noise that are 12 pixels wide."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.train.examples import choose_examples
from ran_deploy.train.group import Group
from ran_deploy.train.loop import Trainer
from ran_deploy.train.recipe import Recipe

SIZE = 12
CLASSES = 4
PLAIN = Recipe(epochs=3, batch=16, lr=0.05, warmup_epochs=0.5, ema=0.9, validation=8, precision="fp32", seed=5)


class SmallNet(nn.Module):
    """Convolutions with batch normalization, and a linear layer; ``dropout`` before it."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(8, CLASSES),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits [N, 4]."""
        return self.layers(images)  # type: ignore[no-any-return]


def noise_images(count: int = 56) -> ArrayDataset:
    """Images of noise whose brightness tells their class."""
    rng = np.random.default_rng(0)
    targets = np.arange(count, dtype=np.int64) % CLASSES
    images = rng.integers(0, 128, (count, SIZE, SIZE, 3)) + 40 * targets[:, None, None, None]
    info = replace(dataset_info("cifar10"), name="noise", classes=CLASSES, size=SIZE)
    return ArrayDataset(info, "train", tuple("abcd"), images.astype(np.uint8), targets)


def make_trainer(out: Path, recipe: Recipe = PLAIN, *, group: Group | None = None, dropout: float = 0.0) -> Trainer:
    """Return a trainer of a new small network, whose weights come from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    examples = choose_examples(noise_images(), recipe)
    return Trainer(SmallNet(dropout), examples, recipe, {"arch": "small"}, out, group=group or Group())


def train(out: Path, recipe: Recipe = PLAIN, *, resume: bool = False, **options: Any) -> Trainer:
    """Train, or go on, to the end."""
    trainer = make_trainer(out, recipe, **options)
    if resume:
        assert trainer.resume()
    trainer.run(silent)
    return trainer


class StoppedError(Exception):
    """Ends a training from within."""


def stop_after(steps: int) -> Callable[[int, str], None]:
    """Return what, given to ``Trainer.run``, ends the training after so many steps."""
    left = [steps]

    def advance(_images: int, _note: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise StoppedError

    return advance


def silent(_images: int, _note: str) -> None:
    """Take no notice of the progress."""
