"""Wrong labels on purpose: the noise under which the paper trains (Wang et al., 2017, section 4.1, "Noisy Label")."""

from dataclasses import dataclass

import numpy as np

from ran_deploy.data.dataset import Targets
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_bytes

_STREAM = (0, 0, 1)
"""Behind the seed: numpy fills seeds up with zeros, so this differs from (seed, epoch) and (seed, 1, step)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNoise:
    """What was done to the labels of a data set."""

    count: int
    """Labels looked at."""
    changed: int
    """Those that are another class now."""
    sha256: str
    """Of the labels afterwards: little-endian int64, one after the other."""


def noisy_targets(targets: Targets, classes: int, probability: float, seed: int) -> Targets:
    """Replace labels at random: each stays with probability 1 - ``probability``, else becomes one of the OTHER classes.

    All other classes are equally likely. Draw it once for a whole data set and train on the result; hold images out
    by the clean labels, and measure accuracy on clean labels only: those of validation and test images are no part
    of the experiment.

    Args:
        targets: Class indices, [N]; left as they are.
        classes: Number of classes.
        probability: Of each label to be replaced, 0 to 1.
        seed: The run's seed; the same seed replaces the same labels by the same classes.

    Raises:
        UsageError: There is no other class, or ``probability`` is none.
    """
    if not 0 <= probability <= 1:
        raise UsageError(f"The label noise is {probability}; expected 0 to 1.", fix="Give a probability.")
    if probability and classes < 2:
        raise UsageError(f"Labels of {classes} class cannot be noisy.", fix="Leave label noise out.")
    rng = np.random.default_rng((seed, *_STREAM))
    replaced = rng.random(len(targets)) < probability
    shift = rng.integers(1, max(classes, 2), len(targets))
    noisy: Targets = np.where(replaced, (targets + shift) % classes, targets)
    return noisy


def describe_noise(clean: Targets, noisy: Targets) -> LabelNoise:
    """Return what tells one draw of noise from another, for a manifest."""
    digest = sha256_bytes(noisy.astype("<i8").tobytes())
    return LabelNoise(count=len(clean), changed=int((clean != noisy).sum()), sha256=digest)
