"""The one definition of preprocessing: from any image file to the tensor that an engine takes.

numpy and Pillow only, so that services need nothing else. The rule: RGB, orientation as stored in EXIF,
Pillow's antialiased bilinear resize, centre crop, uint8 [N, H, W, 3]; normalization is (x/255 - mean)/std.
The C++ library follows the same rule bit for bit, and does the work where it is asked to; see data/native.py.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from ran_deploy.data.dataset import Images
from ran_deploy.data.decode import FORMATS, MAX_PIXELS, decode_bytes, decode_image, to_rgb
from ran_deploy.data.native import native_library
from ran_deploy.errors import UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import Contract, Preprocessing

EngineInput: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32] | npt.NDArray[np.float16]
"""A batch as an engine's input takes it."""
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".webp")
"""File names that folders are searched for."""


def load_image(path: Path, rule: Preprocessing) -> Images:
    """Decode an image file and bring it to model size.

    Returns:
        uint8 [size, size, 3].

    Raises:
        UsageError: The file is missing, has more than :data:`MAX_PIXELS` pixels, or is too elongated.
        IntegrityError: The file is empty, truncated, or not an image.
    """
    return _fit_named(decode_image(path), rule, str(path))


def load_bytes(
    data: bytes,
    rule: Preprocessing,
    name: str,
    *,
    formats: Sequence[str] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Images:
    """Decode the content of an image file and bring it to model size, as :func:`load_image` does.

    Args:
        data: The file's content.
        rule: The preprocessing of the contract.
        name: What messages call it.
        formats: Those of :data:`~ran_deploy.data.decode.FORMATS` that are read.
        max_pixels: Larger images are refused before a pixel is decoded.

    Returns:
        uint8 [size, size, 3].

    Raises:
        UsageError: It has more than ``max_pixels`` pixels, or is too elongated.
        IntegrityError: It is empty, truncated, or not an image of the formats.
    """
    return _fit_named(decode_bytes(data, name, formats=formats, max_pixels=max_pixels), rule, name)


def to_model_size(image: Image.Image, rule: Preprocessing) -> Images:
    """Convert to RGB, resize and centre-crop.

    With ``rule.resize`` the shorter side becomes that many pixels and the longer keeps the proportion, rounded
    half to even; the crop starts at half the surplus, rounded down. Else both sides become ``rule.size``.

    Args:
        image: A Pillow image of any mode and size.
        rule: The preprocessing of the contract.

    Returns:
        uint8 [size, size, 3].

    Raises:
        UsageError: The image is so elongated that its resized form has more than :data:`MAX_PIXELS` pixels.
    """
    return _fit(to_rgb(image), rule)


def _fit_named(rgb: Image.Image, rule: Preprocessing, name: str) -> Images:
    try:
        return _fit(rgb, rule)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", fix=error.fix) from error


def _fit(rgb: Image.Image, rule: Preprocessing) -> Images:
    size = rule.size
    if (library := native_library()) is not None:
        return library.fit(np.asarray(rgb, dtype=np.uint8), rule.resize, size)
    if rule.resize is None:
        return np.asarray(_resized(rgb, size, size), dtype=np.uint8)
    shorter = min(rgb.size)
    width, height = (max(size, round(side * rule.resize / shorter)) for side in rgb.size)
    if width * height > MAX_PIXELS:
        raise UsageError(
            f"an image of {rgb.width}×{rgb.height} would be resized to {width}×{height}; "
            f"at most {MAX_PIXELS} pixels are allowed.",
            fix="Crop it to the part that matters.",
        )
    scaled = _resized(rgb, width, height)
    left, top = (width - size) // 2, (height - size) // 2
    return np.asarray(scaled.crop((left, top, left + size, top + size)), dtype=np.uint8)


def _resized(rgb: Image.Image, width: int, height: int) -> Image.Image:
    """Resize one axis after the other, so that the answer does not depend on Pillow's version.

    Each pass rounds to 8 bits, and the order is Pillow 13's: columns first, but rows first where more than twice as
    many rows as columns are lost. Pillow 12 and older always took the columns first, which differs by one level.
    """
    lost_rows, lost_columns = rgb.height - height, rgb.width - width
    rows_first = lost_rows > 0 and lost_rows > 2 * lost_columns
    between = (rgb.width, height) if rows_first else (width, rgb.height)
    for size in (between, (width, height)):
        if rgb.size != size:
            rgb = rgb.resize(size, Image.Resampling.BILINEAR)
    return rgb


def load_images(paths: Sequence[Path], rule: Preprocessing) -> Images:
    """Load several images: uint8 [N, size, size, 3]. Raises as :func:`load_image`."""
    images: Images = np.empty((len(paths), rule.size, rule.size, 3), dtype=np.uint8)
    for place, path in enumerate(paths):
        images[place] = load_image(path, rule)
    return images


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the image files among ``paths``, searching folders recursively, in sorted order; hidden ones are left out.

    Raises:
        UsageError: A path does not exist, or no image is found.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(images_below(path))
        else:
            found.append(require_file(path, what="image"))
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise UsageError(f"No image was found in {names}.", fix=f"Give image files ({', '.join(SUFFIXES)}) or folders.")
    return found


def images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder in sorted order; hidden ones and what links to folders hold are left out.

    Only the names in one folder, and in those above it, are held in memory.

    Raises:
        UsageError: A folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if _matters(entry))
    except OSError as error:
        raise UsageError(f"{folder} cannot be searched: {error.strerror}.", fix="Check its permissions.") from error
    for name, is_folder in found:
        if is_folder:
            yield from images_below(folder / name)
        else:
            yield folder / name


def _matters(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (is_image_name(entry.name) and entry.is_file())


def is_image_name(name: str) -> bool:
    """Return whether a file of this name, without its folder, is taken for an image where it is not named itself."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def to_engine_input(images: Images, contract: Contract) -> EngineInput:
    """Turn uint8 [N, H, W, 3] images at model size into what the engine's input takes.

    Returns:
        The images themselves for a uint8 NHWC input; normalized [N, 3, H, W] for a float NCHW one, computed in float32
        and then rounded for a float16 one.
    """
    if contract.input.dtype == "uint8":
        return images
    normalized = _normalized(images, contract)
    return normalized.astype(np.float16) if contract.input.dtype == "float16" else normalized


def _normalized(images: Images, contract: Contract) -> npt.NDArray[np.float32]:
    rule = contract.preprocessing
    if (library := native_library()) is not None:
        return library.normalize(images, rule.mean, rule.std)
    mean, std = np.asarray(rule.mean, np.float32), np.asarray(rule.std, np.float32)
    normalized = (images.astype(np.float32) - 255 * mean) / (255 * std)
    return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2))
