"""Which images belong to which step."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ran_deploy.train.recipe import Recipe


class Order:
    """The training images in a new random order for each epoch, drawn from (seed, epoch).

    Args:
        train: The images to learn from, at least one batch.
        recipe: Its ``seed``, ``batch`` and ``epochs`` are used.
    """

    def __init__(self, train: npt.NDArray[np.int64], recipe: Recipe) -> None:
        self._train, self._recipe = train, recipe
        self.steps_per_epoch = len(train) // recipe.batch
        self.total = recipe.epochs * self.steps_per_epoch
        self._epochs: dict[int, npt.NDArray[np.int64]] = {}

    def at(self, step: int) -> npt.NDArray[np.int64]:
        """Return the images of a step, [batch]."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch not in self._epochs:
            # What is read ahead may be of the next epoch already, so the one before is kept.
            self._epochs = {known: order for known, order in self._epochs.items() if known == epoch - 1}
            self._epochs[epoch] = np.random.default_rng((self._recipe.seed, epoch)).permutation(self._train)
        return self._epochs[epoch][place * self._recipe.batch : (place + 1) * self._recipe.batch]

    def after(self, step: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Yield number and images of each step from ``step`` to the end of the training."""
        return ((later, self.at(later)) for later in range(step, self.total))
