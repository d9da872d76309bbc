"""From logits to the likeliest classes and their probabilities."""

from dataclasses import dataclass

import numpy as np

from ran_deploy.runtime.session import Logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One class that an image may show."""

    label: str
    index: int
    """Position among the logits."""
    probability: float
    """Softmax of the logits, 0 to 1."""


def best_guesses(logits: Logits, labels: tuple[str, ...], top: int) -> list[tuple[Guess, ...]]:
    """Return the ``top`` likeliest classes of each row of logits [N, classes]; of equal ones, the first."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    return [
        tuple(Guess(label=labels[index], index=int(index), probability=float(row[index])) for index in best)
        for row, best in zip(probabilities, order, strict=True)
    ]
