"""Tensors as the Open Inference Protocol writes them: JSON lists, raw little-endian bytes, length-prefixed text.

Source: the protocol's "Tensor Data" section and Triton's binary tensor data extension (protocol/extension_binary_data).
Nothing here trusts its input: each value's type and each length is checked before an array is made.
"""

import itertools
import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.manifest import TensorSpec

DATATYPES = {"uint8": "UINT8", "float16": "FP16", "float32": "FP32"}
"""The protocol's names of the types that engines take and return."""
TEXT = "BYTES"
"""The protocol's name of a tensor of texts."""
MAX_RANK = 8
"""More dimensions than this are refused before they are multiplied."""

_MAX_ELEMENTS = 2**40
_LENGTH = struct.Struct("<I")


def check_shape(shape: object, name: str) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of whole numbers.

    Raises:
        UsageError: It is not a list of at most :data:`MAX_RANK` non-negative whole numbers, or beyond any memory.
    """
    good = isinstance(shape, Sequence) and len(shape) <= MAX_RANK and all(type(side) is int for side in shape)
    if not good or any(side < 0 for side in shape):  # type: ignore[attr-defined]
        raise UsageError(
            f"The shape of {name!r} is {shape!r:.80}; expected a list of at most {MAX_RANK} non-negative whole numbers."
        )
    sides: tuple[int, ...] = tuple(shape)  # type: ignore[arg-type]
    if math.prod(side or 1 for side in sides) > _MAX_ELEMENTS:  # arrays refuse such sides even beside one of 0
        raise UsageError(f"The shape of {name!r} is {list(sides)}, which no memory holds.")
    return sides


def from_raw(raw: bytes | memoryview, spec: TensorSpec, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return a read-only view of raw little-endian elements.

    Args:
        raw: The bytes of one tensor and nothing else.
        spec: Which gives the type.
        shape: The tensor's shape.

    Raises:
        UsageError: The bytes are more or fewer than the shape needs.
    """
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        raise UsageError(
            f"The input {spec.name!r} has {len(raw)} bytes of data, but {DATATYPES[spec.dtype]} "
            f"{list(shape)} needs {expected}."
        )
    return np.frombuffer(raw, dtype).reshape(shape)


def from_list(data: object, spec: TensorSpec, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return a tensor from a JSON list, flat in row-major order or nested as the shape is.

    Raises:
        UsageError: A value is of another type or out of range, or their number does not fit the shape.
    """
    values = _flat(data, spec, len(shape))
    if len(values) != math.prod(shape):
        raise UsageError(
            f"The input {spec.name!r} has {len(values)} values, but the shape {list(shape)} needs {math.prod(shape)}."
        )
    return from_values(values, spec, shape)


def from_values(values: Sequence[Any], spec: TensorSpec, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return a tensor from as many plain numbers as the shape has elements.

    Raises:
        UsageError: A value is not a number of the input's kind, or out of its range.
    """
    whole = spec.dtype == "uint8"
    kinds = set(map(type, values))
    if not kinds <= ({int} if whole else {int, float}):
        wrong = ", ".join(sorted(kind.__name__ for kind in kinds - {int, float} or kinds - {int}))
        raise UsageError(
            f"The input {spec.name!r} is {DATATYPES[spec.dtype]}, but its data has values of type {wrong}.",
            fix="Send whole numbers from 0 to 255." if whole else "Send numbers.",
        )
    try:
        wide = np.array(values, dtype=np.int64 if whole else np.float64)
        with np.errstate(over="ignore"):
            narrow: npt.NDArray[Any] = wide.astype(spec.dtype)
        fits = np.array_equal(wide, narrow) if whole else np.isinf(wide).sum() == np.isinf(narrow).sum()
    except OverflowError:  # beyond 64 bits
        fits = False
    if not fits:
        raise UsageError(f"The input {spec.name!r} has values beyond the range of {DATATYPES[spec.dtype]}.")
    return narrow.reshape(shape)


def to_text_bytes(texts: Iterable[bytes]) -> bytes:
    """Return a BYTES tensor as the binary extension and gRPC write it: each text after its length, 4 bytes LE."""
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def _flat(data: object, spec: TensorSpec, rank: int) -> list[Any]:
    """Flatten at most ``rank`` levels of lists; all lists of a level must be equally long."""
    if not isinstance(data, list):
        raise UsageError(f"The data of the input {spec.name!r} is {type(data).__name__}; expected a list.")
    level = data
    for _ in range(rank - 1):
        if not level or type(level[0]) is not list:
            break
        if set(map(type, level)) != {list} or len(set(map(len, level))) != 1:
            raise UsageError(f"The nested lists of the input {spec.name!r} are not equally long.")
        level = list(itertools.chain.from_iterable(level))
    return level
