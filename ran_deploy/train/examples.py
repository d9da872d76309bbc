"""Which images of a training split a run learns from, and which it holds out to choose by."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import Dataset, Targets, stratified_split
from ran_deploy.data.noise import LabelNoise, describe_noise, noisy_targets
from ran_deploy.errors import UsageError
from ran_deploy.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """The images of one run, as positions in a training split."""

    dataset: Dataset
    train: npt.NDArray[np.int64]
    """What the network learns from, ascending."""
    validation: npt.NDArray[np.int64]
    """What it is measured on after each epoch; none of it is learnt from, and its labels are the dataset's own."""
    targets: Targets
    """The label of every image of the split to learn from: with noise, where the recipe has it."""
    noise: LabelNoise | None
    """How many labels of ``train`` are wrong on purpose."""
    identity: dict[str, Any]
    """What a resumed run must have in common with the one that wrote the state."""


def choose_examples(dataset: Dataset, recipe: Recipe, images: int | None = None) -> Examples:
    """Hold the recipe's validation images out, and take ``images`` of the rest, the same number of each class.

    The validation images depend on the recipe and not on ``images``, so that runs on parts of a split can be compared.

    Args:
        dataset: The training split.
        recipe: Its ``validation``, ``label_noise`` and ``seed`` decide.
        images: How many images to learn from, chosen by the seed; None: all.

    Raises:
        UsageError: Less than one batch is left to learn from, or there are not so many images.
    """
    rest, validation = stratified_split(dataset.targets, recipe.validation, recipe.seed)
    if len(rest) < recipe.batch:
        raise UsageError(
            f"The training split has {len(dataset)} images; {recipe.validation} are held out for validation, "
            f"which leaves less than one batch of {recipe.batch}.",
            fix="Lower validation or batch in the recipe.",
        )
    identity: dict[str, Any] = {"images": len(dataset)}
    if images is not None:
        if not recipe.batch <= images <= len(rest):
            raise UsageError(
                f"{images} training images were asked for; expected {recipe.batch} (one batch) to {len(rest)} (all "
                "but those held out for validation).",
                fix="Correct --images, or batch and validation in the recipe.",
            )
        _, chosen = stratified_split(dataset.targets[rest], images, recipe.seed)
        rest, identity["subset"] = rest[chosen], images
    targets, noise = dataset.targets, None
    if recipe.label_noise:
        targets = noisy_targets(targets, len(dataset.labels), recipe.label_noise, recipe.seed)
        noise = describe_noise(dataset.targets[rest], targets[rest])
        identity["wrong_labels"] = asdict(noise)
    return Examples(dataset=dataset, train=rest, validation=validation, targets=targets, noise=noise, identity=identity)
