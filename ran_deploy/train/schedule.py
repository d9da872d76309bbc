"""The learning rate at each step."""

import math

from ran_deploy.train.recipe import Recipe


def warmup_steps(recipe: Recipe, steps_per_epoch: int) -> float:
    """Return how many steps the warm-up takes: never more than half of the training."""
    return min(recipe.warmup_epochs * steps_per_epoch, 0.5 * recipe.epochs * steps_per_epoch)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step: a linear warm-up to the peak, then the recipe's schedule.

    - cosine: half a cosine to zero (Loshchilov and Hutter, 2017);
    - step: times ``gamma`` at each of ``milestones``, which are fractions of the whole training;
    - exponential: times ``gamma`` at the end of each ``decay_steps`` steps, the warm-up's included.

    Args:
        recipe: The recipe.
        step: Optimizer steps done before this one.
        steps_per_epoch: Optimizer steps in a pass over the training images.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = warmup_steps(recipe, steps_per_epoch)
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))
    if recipe.schedule == "step":
        falls = sum(step >= round(fraction * total) for fraction in recipe.milestones)
    else:
        falls = step // recipe.decay_steps
    return recipe.lr * recipe.gamma**falls
