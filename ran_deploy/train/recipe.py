"""Training recipes: TOML files under ``models/``, typed and strict."""

from dataclasses import dataclass
from typing import Literal

from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained; the fields are the keys of a recipe file."""

    epochs: int = 20
    """Passes over the training images."""
    batch: int = 128
    """Images in each step."""
    lr: float = 0.2
    """Peak learning rate, reached after the warm-up."""
    warmup_epochs: float = 1.0
    """Epochs over which the learning rate rises linearly from zero."""
    momentum: float = 0.9
    """Nesterov momentum."""
    weight_decay: float = 5e-4
    """Weight decay of convolutions and the classifier; batch normalization and biases have none."""
    label_smoothing: float = 0.1
    """Probability mass spread evenly over the classes."""
    ema: float = 0.995
    """Decay of the exponential moving average of the weights, for each step; 0: none."""
    crop_padding: int = 4
    """Pixels of zero padding around the image for the random crop."""
    flip: bool = True
    """Mirror half of the images left to right."""
    sizes: tuple[tuple[float, int], ...] = ()
    """Progressive resolution: pairs of (fraction of the training, pixels); empty: full size throughout."""
    validation: int = 5000
    """Images held out of the training set, the same number of each class, to choose by; never test images."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Arithmetic of the forward and backward pass; auto: bf16 where the hardware has it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: on a GPU only, since it makes CPU training slower."""
    seed: int = 0
    """Seed of the weights, the split, the order and the augmentation."""

    def __post_init__(self) -> None:
        """Refuse values that name no training."""
        checks = (
            (self.epochs >= 1, f"epochs is {self.epochs}; expected at least 1."),
            (self.batch >= 2, f"batch is {self.batch}; batch normalization needs at least 2."),
            (0 < self.lr <= 10, f"lr is {self.lr}; expected a number above 0 and up to 10."),
            (self.warmup_epochs >= 0, f"warmup_epochs is {self.warmup_epochs}; expected 0 or more."),
            (0 <= self.momentum < 1, f"momentum is {self.momentum}; expected 0 to below 1."),
            (self.weight_decay >= 0, f"weight_decay is {self.weight_decay}; expected 0 or more."),
            (0 <= self.label_smoothing < 1, f"label_smoothing is {self.label_smoothing}; expected 0 to below 1."),
            (0 <= self.ema < 1, f"ema is {self.ema}; expected 0 to below 1."),
            (self.crop_padding >= 0, f"crop_padding is {self.crop_padding}; expected 0 or more."),
            (self.validation >= 0, f"validation is {self.validation}; expected 0 or more."),
            (self.seed >= 0, f"seed is {self.seed}; expected 0 or more."),
        )
        for good, message in checks:
            if not good:
                raise UsageError(message, fix="Correct the recipe.")
        fractions = [fraction for fraction, _ in self.sizes]
        if fractions and (fractions[0] != 0 or fractions != sorted(set(fractions)) or fractions[-1] >= 1):
            raise UsageError(
                f"sizes starts at the fractions {fractions}; expected 0 first, then rising, below 1.",
                fix="Correct the recipe.",
            )

    def size_at(self, progress: float, full: int) -> int:
        """Return the image size, in pixels, at ``progress`` (0 to 1) of the training."""
        size = full
        for fraction, pixels in self.sizes:
            if progress >= fraction:
                size = pixels
        return size
