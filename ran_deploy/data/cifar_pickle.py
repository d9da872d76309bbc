"""Read CIFAR's Python batches, which are pickles, without running what a forged one would run."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file


def _latin1(text: str, encoding: str) -> bytes:
    """Stand in for ``_codecs.encode``, which pickles of protocol 2 that Python 3 wrote use for bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, which no CIFAR file does")
    return text.encode("latin1")


_SAMPLE = np.zeros(1, np.uint8)
_RECONSTRUCT = _SAMPLE.__reduce__()[0]
_FROM_BUFFER = _SAMPLE.__reduce_ex__(5)[0]
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    # The module's name before and since numpy 2; either is read by either.
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
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
        key.decode(errors="replace") if isinstance(key, bytes) else str(key): value for key, value in loaded.items()
    }
