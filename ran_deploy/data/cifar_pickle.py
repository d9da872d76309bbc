"""Read CIFAR's Python batches, which are pickles, without running what a forged one would run."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file


def _latin1(text: str, encoding: str) -> bytes:
    """Stand in for ``_codecs.encode``, which pickles of protocol 2 that Python 3 wrote use for bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, which no CIFAR file does")
    return text.encode("latin1")


class _Dtype:
    """Stands in for ``numpy.dtype``, of which CIFAR has bytes only; numpy's own crashes on some forged states."""

    def __init__(self, name: str | bytes, *_flags: object) -> None:
        if name not in ("u1", b"u1", "uint8", "|u1"):
            raise pickle.UnpicklingError("it holds an array of something else than bytes")

    def __setstate__(self, _state: object) -> None:
        pass  # the order of bytes, which single bytes have none of


class _Array:
    """Stands in for ``numpy.ndarray`` for the same reason, and becomes one in the end."""

    array: npt.NDArray[np.uint8]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        self.array = _filled(data, dtype, shape, "F" if fortran else "C")


def _filled(data: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[np.uint8]:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("it holds an array without bytes")
    return np.frombuffer(data, np.uint8).reshape(shape, order=order)


def _reconstruct(*_arguments: object) -> _Array:
    return _Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_axes: object) -> _Array:
    made = _Array()
    made.array = _filled(data, dtype, shape, order)
    return made


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    # The module's name before and since numpy 2; either is read by either.
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}


class _CifarUnpickler(pickle.Unpickler):
    """Admits only what CIFAR's files contain: plain containers, text, numbers and arrays; imports nothing."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no CIFAR file contains")
        return _ADMITTED[module, name]


def load_cifar_pickle(path: Path) -> dict[str, Any]:
    """Read a batch or the names of the Python layout: a table of lists, text and arrays.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is damaged, or holds what such a file never holds.
    """
    data = require_file(path).read_bytes()
    try:
        # The official files were written by Python 2: their keys are bytes when read with this encoding.
        loaded = _CifarUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise IntegrityError(f"{path} is not a CIFAR batch: {error}.", fix="Download the archive again.") from error
    if not isinstance(loaded, dict):
        raise IntegrityError(f"{path} is not a CIFAR batch: it holds no table.", fix="Download the archive again.")
    return {
        key.decode(errors="replace") if isinstance(key, bytes) else str(key): getattr(value, "array", value)
        for key, value in loaded.items()
    }
