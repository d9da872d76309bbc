"""Decode image files that nobody vouches for: bounded in size, quiet, and with one error for whatever is wrong."""

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file

MAX_PIXELS = 64 * 1024 * 1024
"""Images of more pixels are refused: they are decompression bombs or mistakes."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")
"""The formats that are read; Pillow knows others, some of which start programs or large libraries."""

Shrink: TypeAlias = Callable[[int, int], float]

_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (EXIF 2.32, tag 0x0112); 1 and anything else: nothing."""
_ON_ITS_SIDE = tuple(_ORIENTATIONS[orientation] for orientation in (5, 6, 7, 8))
"""Those that exchange width and height."""


def decode_image(path: Path, shrink: Shrink | None = None) -> Image.Image:
    """Decode an image file (of an animation, the first frame) to RGB, upright.

    The size is checked before any pixel is decoded.

    Args:
        path: The file.
        shrink: By which factor a JPEG may be decoded smaller than it is, given its upright width and height: 2, 4 or
            8 times at most, which takes less time since fewer coefficients are transformed.

    Raises:
        UsageError: The file is missing, has more than :data:`MAX_PIXELS` pixels or floating-point samples.
        IntegrityError: The file is empty, truncated, or not an image of the known formats.
    """
    require_file(path, what="image")
    return _decode(path, str(path), FORMATS, MAX_PIXELS, shrink)


def decode_bytes(
    data: bytes, name: str, *, formats: Sequence[str] = FORMATS, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode the content of an image file as :func:`decode_image` does.

    Args:
        data: The file's content.
        name: What messages call it.
        formats: Those of :data:`FORMATS` that are read.
        max_pixels: Larger images are refused.

    Raises:
        UsageError: It has more than ``max_pixels`` pixels or floating-point samples.
        IntegrityError: It is empty, truncated, or not an image of the formats.
    """
    if not data:
        raise IntegrityError(f"{name} is empty.", fix="Check or replace the file.")
    return _decode(io.BytesIO(data), name, formats, max_pixels)


def _decode(
    source: Path | io.BytesIO, name: str, formats: Sequence[str], max_pixels: int, shrink: Shrink | None = None
) -> Image.Image:
    try:
        with _quiet_pillow(), Image.open(source, formats=tuple(formats)) as image:
            _check_size(image, max_pixels)
            if shrink is not None:
                _shrink(image, shrink)
            return to_rgb(image)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", fix=error.fix) from error
    except Image.DecompressionBombError as error:
        raise UsageError(f"{name}: {error} At most {max_pixels} are read.", fix="Make it smaller.") from error
    except UnidentifiedImageError as error:
        raise IntegrityError(
            f"{name} is not an image of a known format ({', '.join(formats)}).", fix="Check or convert the file."
        ) from error
    except Exception as error:  # a damaged file can make the decoders raise nearly anything
        raise IntegrityError(
            f"{name} cannot be read as an image: {error}.", fix="Check or replace the file."
        ) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image as RGB, turned upright as its EXIF says.

    Grey is repeated, 16-bit samples keep their high byte, transparency is dropped (the colour under it counts),
    CMYK is converted without a colour profile.

    Raises:
        UsageError: The samples are floating-point.
    """
    image.load()
    upright = _upright(image)
    if upright.mode == "F":
        raise UsageError("floating-point samples have no defined range.", fix="Convert the image to 8 bits.")
    if upright.mode.startswith("I"):
        # Pillow would clip instead of scale.
        samples = np.asarray(upright).astype(np.int64) >> 8
        upright = Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    elif upright.mode == "P" and "transparency" in upright.info:
        upright = upright.convert("RGBA")
    rgb = upright.convert("RGB")
    rgb.info = {}  # or the orientation would be applied again
    return rgb


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UsageError(
            f"the image has {image.width}×{image.height} pixels; at most {max_pixels} are read.", fix="Make it smaller."
        )


def _shrink(image: Image.Image, factor: Shrink) -> None:
    width, height = image.size
    on_its_side = _turn(image) in _ON_ITS_SIDE
    allowed = factor(height, width) if on_its_side else factor(width, height)
    for power in (8, 4, 2):
        if allowed >= power:
            image.draft(None, (max(1, width // power), max(1, height // power)))  # does nothing to other formats
            return


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # damaged metadata says nothing of the pixels
        return None
    return _ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None


def _upright(image: Image.Image) -> Image.Image:
    transpose = _turn(image)
    return image if transpose is None else image.transpose(transpose)


class _Users:
    """How many threads are decoding; the first turns Pillow's warnings off, the last restores the filters."""

    lock = threading.Lock()
    count = 0
    filters: "warnings.catch_warnings[None] | None" = None


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings (large images, odd metadata) from the user: what matters is raised as an error.

    Filters are process-wide, so threads that each saved and restored them would undo one another's work.
    """
    with _Users.lock:
        if _Users.count == 0:
            _Users.filters = warnings.catch_warnings()
            _Users.filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        _Users.count += 1
    try:
        yield
    finally:
        with _Users.lock:
            _Users.count -= 1
            if _Users.count == 0 and _Users.filters is not None:
                _Users.filters.__exit__(None, None, None)
                _Users.filters = None
