"""One image to be classified: where its bytes are, and what a result calls it."""

import os
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import load_bytes, load_image
from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.manifest import Preprocessing

MAX_BYTES = 256 << 20
"""Members of shards that are larger are not read: no image file of at most 64 megapixels needs as much."""


def printable(name: str) -> str:
    r"""Return a file name as valid Unicode; bytes that are not UTF-8 become ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes inside a file, so that nothing needs to be read before its turn."""

    path: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Item:
    """One image, not yet read; small, wherever its pixels are."""

    file: str
    """The file, or the shard that holds it, as it was given."""
    member: str | None
    """Its name or row in the shard; None for a file of its own."""
    content: Path | Span | bytes | RanDeployError
    """Where it is, what it is, or why it cannot be read."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.file if self.member is None else f"{self.file}: {self.member}"


def load(item: Item, rule: Preprocessing) -> Images:
    """Read, decode and bring an image to model size; any thread may do it.

    Returns:
        uint8 [size, size, 3].

    Raises:
        UsageError: The file is missing, has too many pixels, or is too elongated.
        IntegrityError: It is empty, truncated, or not an image.
        RanDeployError: What the item itself says is wrong with it.
    """
    content = item.content
    if isinstance(content, RanDeployError):
        raise content
    if isinstance(content, Path):
        try:
            return load_image(content, rule)
        except OSError as error:  # a name that no file can have
            raise UsageError(f"{item.name} cannot be read: {error.strerror}.", fix="Check the path.") from error
    if isinstance(content, Span):
        content = _read(content, item.name)
    return load_bytes(content, rule, item.name)


def _read(span: Span, name: str) -> bytes:
    if span.size > MAX_BYTES:
        raise IntegrityError(f"{name} has {span.size} bytes; at most {MAX_BYTES} are read.", fix="Check the shard.")
    try:
        with span.path.open("rb") as stream:
            data = os.pread(stream.fileno(), span.size, span.offset)
    except OSError as error:
        raise IntegrityError(f"{name} cannot be read: {error.strerror}.", fix="Check the shard.") from error
    if len(data) < span.size:
        raise IntegrityError(f"{name} is cut off: the shard ends before it does.", fix="Make the shard again.")
    return data
