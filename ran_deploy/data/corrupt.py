"""Images made worse on purpose, as a camera, a codec or a scaler would: what an engine's accuracy is then measured on.

The kinds are among those of D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations" (ICLR 2019); the strengths are the caller's, not their five levels.
"""

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ran_deploy.data.dataset import Images
from ran_deploy.errors import UsageError

Kind = Literal["jpeg", "blur", "noise"]
_FORMS = "jpeg:QUALITY (1 to 100), blur:SIGMA (in pixels) or noise:STD (in grey levels)"
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One way of making uint8 images worse.

    Raises:
        UsageError: The strength makes no sense for the kind.
    """

    kind: Kind
    strength: float
    """Quality of a JPEG, 1 to 100; standard deviation of a Gaussian blur in pixels, or of noise in grey levels."""

    def __post_init__(self) -> None:
        """Check the strength."""
        fits = math.isfinite(self.strength) and 0 < self.strength <= 255
        if self.kind == "jpeg":
            fits = self.strength in range(1, 101)
        if not fits:
            raise UsageError(f"The corruption is {self.name}; expected {_FORMS}.")

    @property
    def name(self) -> str:
        """The form that :func:`parse_corruption` reads, such as "jpeg:50"."""
        return f"{self.kind}:{self.strength:g}"

    @property
    def description(self) -> str:
        """What is done, in words."""
        if self.kind == "jpeg":
            return f"JPEG of quality {self.strength:g}, 4:2:0"
        if self.kind == "blur":
            return f"Gaussian blur, σ = {self.strength:g} px"
        return f"Gaussian noise, σ = {self.strength:g} of 255"

    def apply(self, images: Images, indices: npt.NDArray[np.int64]) -> Images:
        """Return the images made worse.

        Args:
            images: uint8 RGB [n, H, W, 3].
            indices: The image's place in its dataset, [n]: it seeds its noise, whatever batch the image is in.
        """
        if self.kind == "noise":
            return np.stack([self._noisy(image, int(index)) for image, index in zip(images, indices, strict=True)])
        one = self._as_jpeg if self.kind == "jpeg" else self._blurred
        return np.stack([np.asarray(one(Image.fromarray(image))) for image in images])

    def _as_jpeg(self, image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(self.strength), subsampling="4:2:0")
        return Image.open(stream)

    def _blurred(self, image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(self.strength))  # Pillow's radius is the standard deviation

    def _noisy(self, image: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
        noise = np.random.default_rng((_SEED, index)).normal(0.0, self.strength, image.shape)
        noisy: npt.NDArray[np.uint8] = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
        return noisy


def parse_corruption(text: str) -> Corruption:
    """Read a corruption such as "jpeg:50", "blur:1.5" or "noise:10".

    Raises:
        UsageError: It is of no known form, or its strength makes no sense.
    """
    kind, _, strength = text.partition(":")
    try:
        value = float(strength)
    except ValueError:
        value = math.nan
    if kind not in ("jpeg", "blur", "noise") or math.isnan(value):
        raise UsageError(f"The corruption is {text!r}; expected {_FORMS}.")
    return Corruption(kind=kind, strength=value)  # type: ignore[arg-type]  # checked above
