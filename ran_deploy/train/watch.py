"""The watch over the loss, which ends a training that has gone wrong before it costs its hours."""

import math

from ran_deploy.errors import GateError
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.schedule import warmup_steps
from ran_deploy.train.state import Counters

_EXPLODED = 20.0
"""A loss of so many times that of guessing never comes back."""
_PATIENCE = 500
"""Steps after the warm-up, or an epoch if that is longer, for which the mean loss must stay wrong."""
_MEMORY = 0.98
"""Decay of the mean loss, for each step."""
_ABOVE = 0.05
"""Relative excess over the loss of guessing from which a network is worse than one that knows nothing."""
_STUCK = 0.01
"""Relative distance from the loss of guessing within which a network has learnt nothing."""
_UNLEARNABLE_NOISE = 0.5
"""From this share of wrong labels on, the loss of a good network may be near that of guessing."""


class Watch:
    """Looks at the loss as training goes on.

    The loss of guessing is ln(classes), for soft labels too: a network that gives every class the same probability
    has it whatever the labels are.

    Args:
        recipe: The recipe.
        classes: Number of classes.
        steps_per_epoch: Optimizer steps in an epoch.
    """

    def __init__(self, recipe: Recipe, classes: int, steps_per_epoch: int) -> None:
        self._guessing = math.log(classes)
        self._begin = warmup_steps(recipe, steps_per_epoch)
        self._patience = max(_PATIENCE, steps_per_epoch)
        self._learnable = recipe.label_noise < _UNLEARNABLE_NOISE

    def look(self, loss: float, steps: int, counters: Counters) -> None:
        """Take in the mean loss of the last ``steps`` steps, and keep what is remembered of it in ``counters``.

        Raises:
            GateError: The loss is not a finite number or has exploded; has long been above that of guessing; or has
                long been that of guessing.
        """
        if not loss < _EXPLODED * self._guessing:  # not-a-number compares false
            raise GateError(
                f"The training diverged: the loss is {loss:.3g} at step {counters.step}.",
                fix="Lower lr or lengthen warmup_epochs in the recipe, and start again in another folder.",
            )
        memory = _MEMORY**steps if counters.mean_loss else 0.0
        counters.mean_loss = memory * counters.mean_loss + (1 - memory) * loss
        if counters.step <= self._begin:
            return
        excess = counters.mean_loss / self._guessing - 1
        counters.steps_above = counters.steps_above + steps if excess > _ABOVE else 0
        counters.steps_stuck = counters.steps_stuck + steps if abs(excess) < _STUCK else 0
        if counters.steps_above >= self._patience:
            raise GateError(
                f"The training diverged: for {counters.steps_above} steps after the warm-up the loss has been above "
                f"{self._guessing:.2f}, that of guessing; it is {counters.mean_loss:.2f} at step {counters.step}.",
                fix="Lower lr or lengthen warmup_epochs in the recipe, and start again in another folder.",
            )
        if counters.steps_stuck >= self._patience and self._learnable:
            raise GateError(
                f"The training is dead: for {counters.steps_stuck} steps after the warm-up the loss has been within "
                f"1% of that of guessing ({self._guessing:.3f}); it is {counters.mean_loss:.3f} at step "
                f"{counters.step}.",
                fix="Raise lr if it is very small, else lower it; check that the labels belong to the images.",
            )
