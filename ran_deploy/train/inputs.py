"""From the pixels of a step's images to what the network is trained on."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ran_deploy.train.augment import augment, to_input
from ran_deploy.train.examples import Examples
from ran_deploy.train.group import Group
from ran_deploy.train.mixing import mix
from ran_deploy.train.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one forward and backward pass takes."""

    inputs: Tensor
    """Normalized images, float32 [n, 3, size, size]."""
    labels: Tensor
    """float32 [n, classes], each row's sum 1."""


class Inputs:
    """Makes the parts of each step.

    A step's batch is cut into ``recipe.accumulate`` parts, and each part evenly over the processes. All of it is
    augmented and mixed in every process, with the same draws, and then cut: so several processes train on what one
    would, mixtures of images included.

    Args:
        examples: The images.
        recipe: How to change them.
        group: The processes.
        total: Optimizer steps of the whole training.
    """

    def __init__(self, examples: Examples, recipe: Recipe, group: Group, total: int) -> None:
        self._examples, self._recipe, self._group = examples, recipe, group
        self._total = total
        self._plain_from = total - total // recipe.epochs * recipe.plain_epochs
        places = np.arange(recipe.batch).reshape(recipe.accumulate, group.size, -1)
        self.own = places[:, group.rank].ravel()
        """The places in the batch whose images this process reads and trains on."""

    def size(self, step: int) -> int:
        """Return height and width of the images of a step, in pixels."""
        return self._recipe.size_at(step / self._total, self._examples.dataset.info.size)

    def parts(self, step: int, indices: npt.NDArray[np.int64], images: Tensor) -> list[Part]:
        """Return this process's parts of a step.

        Args:
            step: Optimizer steps done before.
            indices: The images of the whole batch.
            images: Those of :attr:`own`, uint8 [n, H, W, 3], on the device.
        """
        info = self._examples.dataset.info
        recipe = self._recipe
        if step >= self._plain_from:
            recipe = replace(recipe, mixup=0.0, cutmix=0.0, ricap=0.0)
        rng = np.random.default_rng((recipe.seed, 1, step))
        targets = torch.from_numpy(self._examples.targets[indices]).to(images.device, non_blocking=True)
        whole = to_input(augment(self._whole(images), rng, recipe), info.mean, info.std, self.size(step))
        inputs, labels = mix(whole, targets, len(self._examples.dataset.labels), rng, recipe)
        return [
            Part(inputs[places], labels[places]) if self._group.size * recipe.accumulate > 1 else Part(inputs, labels)
            for places in torch.from_numpy(self.own).to(images.device).chunk(recipe.accumulate)
        ]

    def _whole(self, images: Tensor) -> Tensor:
        if self._group.size == 1:
            return images
        every = self._group.gather(images)
        parted = every.view(self._group.size, self._recipe.accumulate, -1, *images.shape[1:])
        return parted.transpose(0, 1).flatten(0, 2)
