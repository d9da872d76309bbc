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
    accumulate: int = 1
    """Parts into which a step's images are cut for the forward and backward pass, to need less memory."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """Nesterov SGD, or Adam (Kingma and Ba, 2015) with decoupled weight decay."""
    lr: float = 0.2
    """Peak learning rate, reached after the warm-up."""
    schedule: Literal["cosine", "step", "exponential"] = "cosine"
    """After the warm-up: half a cosine to zero, or times ``gamma`` at each milestone, or every ``decay_steps``."""
    milestones: tuple[float, ...] = ()
    """schedule = "step": fractions of the training at which the learning rate falls."""
    gamma: float = 0.1
    """Factor of the schedules "step" and "exponential"."""
    decay_steps: int = 1000
    """schedule = "exponential": steps between two falls of the learning rate."""
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
    resized_crop: tuple[float, float] | None = None
    """Random resized crop: the part of the image's area that is kept, from and to; None: pad and crop."""
    aspect: float = 4 / 3
    """Random resized crop: the largest ratio of its sides, either way."""
    colour_jitter: float = 0.0
    """Largest relative change of brightness, contrast and saturation."""
    random_erasing: float = 0.0
    """Probability that a rectangle of an image is erased (Zhong et al., 2020)."""
    mixup: float = 0.0
    """Beta distribution's parameter of mixup (Zhang et al., 2018); 0: none."""
    cutmix: float = 0.0
    """Beta distribution's parameter of CutMix (Yun et al., 2019); 0: none."""
    ricap: float = 0.0
    """Beta distribution's parameter of RICAP (Takahashi et al., 2018); 0: none."""
    plain_epochs: int = 0
    """Last epochs without mixup, CutMix and RICAP."""
    label_noise: float = 0.0
    """Probability that a training label is replaced by one of the other classes, chosen once from the seed."""
    sizes: tuple[tuple[float, int], ...] = ()
    """Progressive resolution: pairs of (fraction of the training, pixels); empty: full size throughout."""
    validation: int = 5000
    """Images held out of the training set, the same number of each class, to choose by; never test images."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Arithmetic of both passes; auto: bf16 where the hardware has it; fp16: with loss scaling, on a GPU only."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: on a GPU only, since it makes CPU training slower."""
    seed: int = 0
    """Seed of the weights, the split, the order and the augmentation."""

    def __post_init__(self) -> None:
        """Refuse values that name no training."""
        for good, message in (*self._numbers(), *self._augmentation()):
            if not good:
                raise UsageError(message, fix="Correct the recipe.")
        fractions = [fraction for fraction, _ in self.sizes]
        if fractions and (fractions[0] != 0 or fractions != sorted(set(fractions)) or fractions[-1] >= 1):
            raise UsageError(
                f"sizes starts at the fractions {fractions}; expected 0 first, then rising, below 1.",
                fix="Correct the recipe.",
            )

    def _numbers(self) -> tuple[tuple[bool, str], ...]:
        falling = list(self.milestones)
        return (
            (self.epochs >= 1, f"epochs is {self.epochs}; expected at least 1."),
            (self.batch >= 2, f"batch is {self.batch}; batch normalization needs at least 2."),
            (
                self.accumulate >= 1 and self.batch % self.accumulate == 0 and self.batch // self.accumulate >= 2,
                f"accumulate is {self.accumulate}; it must divide batch ({self.batch}) into parts of at least 2.",
            ),
            (0 < self.lr <= 10, f"lr is {self.lr}; expected a number above 0 and up to 10."),
            (self.warmup_epochs >= 0, f"warmup_epochs is {self.warmup_epochs}; expected 0 or more."),
            (
                bool(falling) == (self.schedule == "step"),
                f"milestones is {falling}; the schedule 'step' needs them and no other does, here {self.schedule!r}.",
            ),
            (
                falling == sorted(set(falling)) and all(0 < at < 1 for at in falling),
                f"milestones is {falling}; expected rising fractions between 0 and 1.",
            ),
            (0 < self.gamma <= 1, f"gamma is {self.gamma}; expected a number above 0 and up to 1."),
            (self.decay_steps >= 1, f"decay_steps is {self.decay_steps}; expected at least 1."),
            (0 <= self.momentum < 1, f"momentum is {self.momentum}; expected 0 to below 1."),
            (self.weight_decay >= 0, f"weight_decay is {self.weight_decay}; expected 0 or more."),
            (0 <= self.label_smoothing < 1, f"label_smoothing is {self.label_smoothing}; expected 0 to below 1."),
            (0 <= self.ema < 1, f"ema is {self.ema}; expected 0 to below 1."),
            (self.validation >= 0, f"validation is {self.validation}; expected 0 or more."),
            (self.seed >= 0, f"seed is {self.seed}; expected 0 or more."),
        )

    def _augmentation(self) -> tuple[tuple[bool, str], ...]:
        area = self.resized_crop or (1.0, 1.0)
        mixers = [name for name in ("mixup", "cutmix", "ricap") if getattr(self, name) < 0]
        return (
            (self.crop_padding >= 0, f"crop_padding is {self.crop_padding}; expected 0 or more."),
            (
                0 < area[0] <= area[1] <= 1,
                f"resized_crop is {list(area)}; expected two rising fractions above 0 and up to 1.",
            ),
            (1 <= self.aspect <= 4, f"aspect is {self.aspect}; expected 1 to 4."),
            (0 <= self.colour_jitter < 1, f"colour_jitter is {self.colour_jitter}; expected 0 to below 1."),
            (0 <= self.random_erasing <= 1, f"random_erasing is {self.random_erasing}; expected 0 to 1."),
            (not mixers, f"{' and '.join(mixers)} must be 0 or more."),
            (self.plain_epochs >= 0, f"plain_epochs is {self.plain_epochs}; expected 0 or more."),
            (0 <= self.label_noise <= 1, f"label_noise is {self.label_noise}; expected 0 to 1."),
        )

    def size_at(self, progress: float, full: int) -> int:
        """Return the image size, in pixels, at ``progress`` (0 to 1) of the training."""
        size = full
        for fraction, pixels in self.sizes:
            if progress >= fraction:
                size = pixels
        return size
