"""Which classes an engine takes for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ran_deploy.runtime.evaluate import wilson_interval
from ran_deploy.runtime.paired import Classes

Matrix = tuple[tuple[int, ...], ...]
"""Number of images by true class (rows) and predicted class (columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAccuracy:
    """How an engine does on one class, in percent."""

    label: str
    samples: int
    """Images of this class."""
    accuracy: float | None
    """How many of them are named so (recall); None: there are none."""
    accuracy_ci95: tuple[float, float] | None
    """Wilson's 95% interval."""
    precision: float | None
    """How many of the images named so are of this class; None: no image was named so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A class taken for another."""

    label: str
    taken_for: str
    images: int


def count_confusion(targets: Classes, predicted: Classes, classes: int) -> Matrix:
    """Count the images by true and predicted class.

    Args:
        targets: The true class of each image, [N].
        predicted: The likeliest class of each image, [N].
        classes: Number of classes.
    """
    counts: npt.NDArray[np.int64] = np.bincount(targets * classes + predicted, minlength=classes * classes)
    return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


def class_accuracies(matrix: Matrix, labels: Sequence[str]) -> tuple[ClassAccuracy, ...]:
    """Return the accuracy of each class, in the order of the classes."""
    named = [sum(column) for column in zip(*matrix, strict=True)]
    found = []
    for index, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        hits, samples = row[index], sum(row)
        low, high = wilson_interval(hits, samples) if samples else (0.0, 0.0)
        found.append(
            ClassAccuracy(
                label=label,
                samples=samples,
                accuracy=100 * hits / samples if samples else None,
                accuracy_ci95=(100 * low, 100 * high) if samples else None,
                precision=100 * hits / named[index] if named[index] else None,
            )
        )
    return tuple(found)


def worst_mistakes(matrix: Matrix, labels: Sequence[str], count: int) -> tuple[Mistake, ...]:
    """Return the ``count`` most frequent confusions, the most frequent first."""
    mistakes = [
        Mistake(label=labels[true], taken_for=labels[named], images=images)
        for true, row in enumerate(matrix)
        for named, images in enumerate(row)
        if images and true != named
    ]
    return tuple(sorted(mistakes, key=lambda mistake: -mistake.images)[:count])
