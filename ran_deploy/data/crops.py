"""Random rectangles of images: where they lie is drawn before anything is known of the images but their number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ran_deploy.data.dataset import Images
from ran_deploy.data.decode import decode_image

Boxes = npt.NDArray[np.float64]
"""Rectangles [n, 4]: left, top, width and height in pixels, not rounded."""

_TRIES = 10
_GAP = 2.0
"""How many times larger than the result a rectangle stays when the decoder makes the image smaller: with 2, pixels
differ from those of the whole decoding by 1 grey level in the mean over ImageNet images, with 1 by 2."""


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """A random rectangle for each of n images, whatever their sizes turn out to be.

    The rule is that of Szegedy et al. (2015), "Going deeper with convolutions", section 6: a part of the image's
    area, and a ratio of the sides, until they fit into the image.
    """

    tries: npt.NDArray[np.float64]
    """Pairs of area (1: the image's) and ratio of width to height, in the order in which they are tried: [n, 10, 2]."""
    places: npt.NDArray[np.float64]
    """Where in the room that is left the rectangle lies, across and down, 0 to 1: [n, 2]."""

    def __len__(self) -> int:
        """Number of rectangles."""
        return len(self.tries)

    def __getitem__(self, index: int) -> "Crops":
        """Return the rectangle of one image."""
        return Crops(self.tries[index : index + 1], self.places[index : index + 1])

    def at(self, places: npt.NDArray[np.int64]) -> "Crops":
        """Return the rectangles of the images at ``places``."""
        return Crops(self.tries[places], self.places[places])

    def boxes(self, width: int, height: int) -> Boxes:
        """Return the rectangles of images that are ``width`` by ``height`` pixels; all lie inside.

        Where no try fits, it is the largest rectangle whose sides have an allowed ratio, that of the last try at most.
        """
        area, ratio = self.tries[..., 0] * (width * height), self.tries[..., 1]
        sides = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=-1)
        fits = np.all(sides <= (width, height), axis=-1)
        chosen = sides[np.arange(len(self)), fits.argmax(axis=1)]
        last = ratio[:, -1]
        largest = np.stack([np.minimum(width, height * last), np.minimum(height, width / last)], axis=-1)
        chosen = np.where(np.any(fits, axis=1, keepdims=True), chosen, largest)
        return np.concatenate([self.places * ((width, height) - chosen), chosen], axis=1)


def draw_crops(rng: np.random.Generator, count: int, area: tuple[float, float], aspect: float) -> Crops:
    """Draw rectangles for ``count`` images.

    Args:
        rng: The only source of randomness.
        count: Number of images.
        area: The part of an image's area that a rectangle has, from and to, uniformly.
        aspect: The largest ratio of its sides, either way; the logarithm is uniform.
    """
    areas = rng.uniform(*area, (count, _TRIES))
    ratios = np.exp(rng.uniform(-np.log(aspect), np.log(aspect), (count, _TRIES)))
    return Crops(np.stack([areas, ratios], axis=-1), rng.random((count, 2)))


def load_crop(path: Path, crop: Crops, size: int) -> Images:
    """Decode an image file and bring a rectangle of it to ``size``, antialiased, bilinear.

    A JPEG is decoded at a half, a quarter or an eighth of its size where the rectangle still has twice ``size`` pixels
    each way then: photographs of many megapixels take a fraction of the time, and differ by a grey level in the mean.

    Args:
        path: The image file.
        crop: One rectangle.
        size: Height and width of the result, in pixels.

    Returns:
        uint8 [size, size, 3].

    Raises:
        UsageError: The file is missing or the image is too large.
        IntegrityError: The file is empty, truncated, or not an image.
    """
    rgb = decode_image(path, lambda width, height: crop.boxes(width, height)[0, 2:].min() / (_GAP * size))
    left, top, wide, high = crop.boxes(*rgb.size)[0]
    # Rounding must not push the rectangle out of the image by a fraction of a pixel, which Pillow refuses.
    box = (left, top, min(left + wide, rgb.width), min(top + high, rgb.height))
    return np.asarray(rgb.resize((size, size), Image.Resampling.BILINEAR, box), dtype=np.uint8)
