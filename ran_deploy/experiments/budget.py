"""What a wall-clock budget buys: one number of images and epochs for all compared networks, and of test images.

Every network is shown the same images the same number of times; the slow ones therefore decide how many that are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.errors import UsageError
from ran_deploy.progress import duration

_USABLE = 0.85
"""Share of the budget that is planned with; the rest is for a machine that slows down, and for saving."""
_TESTING = 0.10
"""Share of what is planned with that testing may take."""
_EPOCHS = 5
"""Passes over the images before more images are taken than there are: a curve needs some points."""
_HELD_OUT = 0.1
"""Share of the training images that only the curve is drawn with, up to :data:`_HELD_OUT_MOST`."""
_HELD_OUT_MOST = 500
_TEST_LEAST = 500
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How long one network needs on this machine, as measured."""

    train_s: float
    """Seconds for one training image: forward, backward and update."""
    test_s: float
    """Seconds for one image in evaluation mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much there is to train and test with."""

    train: int
    """Images in the training split."""
    test: int
    """Images in the test split."""
    classes: int
    batch: int
    """Images in each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much every one of the networks is trained and tested."""

    images: int
    """Training images, the held-out ones not counted."""
    validation: int
    """Images held out of the training split, for the curve of each epoch."""
    epochs: int
    test_images: int


def parse_budget(text: str) -> float:
    """Return the seconds of a text such as "90s", "20m" or "1h30m".

    Raises:
        UsageError: It is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not seconds > 0:
        raise UsageError(f"--budget is {text!r}; expected a time such as 90s, 20m or 1h30m.")
    return seconds


def held_out(images: int, classes: int) -> int:
    """Return how many images to hold out beside ``images`` to train with: equally many of each class."""
    return max(1, round(min(_HELD_OUT_MOST, images * _HELD_OUT)) // classes) * classes


def check_images(images: int, sizes: Sizes) -> None:
    """Check training images that were given by hand.

    Raises:
        UsageError: They are less than one batch, or there are not so many beside those that are held out.
    """
    most = sizes.train - held_out(images, sizes.classes)
    if not sizes.batch <= images <= most:
        raise UsageError(
            f"--images is {images}; expected {sizes.batch} (one batch) to {most} (all but those held out for curves)."
        )


def choose_work(
    budget_s: float,
    speeds: Sequence[Speed],
    sizes: Sizes,
    *,
    seeds: int = 1,
    images: int | None = None,
    epochs: int | None = None,
    test_images: int | None = None,
) -> Work:
    """Choose what fits into a budget; what is given by hand is kept.

    Args:
        budget_s: Wall-clock time that is left for all networks, in seconds.
        speeds: Of each network.
        sizes: Of the dataset.
        seeds: How often each network is trained.
        images: Training images, by hand.
        epochs: Epochs, by hand.
        test_images: Test images, by hand.

    Raises:
        UsageError: Not even one epoch of the least number of images fits.
    """
    usable_s = budget_s * _USABLE
    train_s = seeds * sum(speed.train_s for speed in speeds)
    test_s = seeds * sum(speed.test_s for speed in speeds)
    if test_images is None:
        test_images = max(_TEST_LEAST, int(usable_s * _TESTING / test_s))
        test_images = min(sizes.test, max(sizes.classes, test_images // sizes.classes * sizes.classes))
    # An image that is held out for every ten costs a tenth of its evaluation in every epoch.
    visit_s = train_s + _HELD_OUT * test_s
    visits = int((usable_s - test_images * test_s) / visit_s)
    most = sizes.train - held_out(sizes.train, sizes.classes)
    if images is None:
        images = _tidy(min(most, visits // (epochs or _EPOCHS)), sizes.classes)
    least = max(sizes.batch, 2 * sizes.classes)
    if images < least or visits < images:
        wanted = max(images, least)
        needed_s = (wanted * (epochs or 1) * visit_s + test_images * test_s) / _USABLE
        raise UsageError(
            f"A budget of {duration(budget_s)} is too short: {len(speeds)} networks need about {duration(needed_s)} "
            f"here for {wanted} images in {epochs or 1} epoch{'s' if epochs and epochs > 1 else ''}.",
            fix="Give more time, or fewer --images, --epochs, --seeds or --test-images.",
        )
    return Work(
        images=images,
        validation=held_out(images, sizes.classes),
        epochs=epochs or max(1, visits // images),
        test_images=test_images,
    )


def expected_s(work: Work, speeds: Sequence[Speed], seeds: int) -> float:
    """Return how long the work takes at the measured speeds, in seconds."""
    return seeds * sum(
        work.epochs * (work.images * speed.train_s + work.validation * speed.test_s) + work.test_images * speed.test_s
        for speed in speeds
    )


def _tidy(images: int, classes: int) -> int:
    """Round down to a number that people can read, with equally many of each class."""
    step = classes * 10 if images >= classes * 100 else classes
    return images // step * step
