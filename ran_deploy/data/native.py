"""Preprocessing in the C++ library of ``serve/cpp``, where it is asked for: the same pixels in, the same tensor out.

``$RAN_DEPLOY_LIBRARY`` names ``libran_deploy.so``; without it Pillow and NumPy do the work. The results are equal bit
for bit, so a service in Python and one in C++ can be compared, and which of the two works changes no answer.
"""

import ctypes
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import Images
from ran_deploy.errors import IncompatibleError, MissingError, RanDeployError, UsageError

LIBRARY_VARIABLE = "RAN_DEPLOY_LIBRARY"
ABI_VERSION = 1
"""RAN_ABI_VERSION of the header ``ran_deploy.h`` that this file was written for."""

_USAGE = 2


class _Image(ctypes.Structure):
    """``ran_image``."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        ("size_bytes", ctypes.c_size_t),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("stride", ctypes.c_size_t),
    )


class NativeLibrary:
    """The functions of ``libran_deploy`` that prepare images; threads may share it.

    Args:
        path: The library's file.

    Raises:
        MissingError: It cannot be loaded, or is another library.
        IncompatibleError: Its interface has another version.
    """

    def __init__(self, path: str) -> None:
        try:
            library = ctypes.CDLL(path)
            library.ran_abi_version.restype = ctypes.c_uint32
            version = library.ran_abi_version()
        except (OSError, AttributeError) as error:
            raise MissingError(
                f"The library {path} in {LIBRARY_VARIABLE} cannot be loaded ({error}).",
                fix=f"Set {LIBRARY_VARIABLE} to libran_deploy.so, or unset it.",
            ) from error
        if version != ABI_VERSION:
            raise IncompatibleError(
                f"The library {path} has the interface version {version}; this ran-deploy speaks {ABI_VERSION}.",
                fix=f"Build serve/cpp of this version of ran-deploy, or unset {LIBRARY_VARIABLE}.",
            )
        library.ran_fit.argtypes = (
            ctypes.POINTER(_Image),
            ctypes.c_uint32,
            ctypes.c_uint32,
            ctypes.c_void_p,
            ctypes.c_size_t,
        )
        library.ran_normalize.argtypes = (
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_uint32),
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        )
        for name in ("ran_last_error", "ran_last_fix"):
            getattr(library, name).restype = ctypes.c_char_p
        self._library: Any = library

    def fit(self, rgb: Images, resize: int | None, size: int) -> Images:
        """Resize and centre-crop, as :func:`ran_deploy.data.preprocess.to_model_size` says.

        Args:
            rgb: uint8 [height, width, 3].
            resize: The shorter side before the crop; None: both sides become ``size``.
            size: Height and width of the result.

        Returns:
            uint8 [size, size, 3].

        Raises:
            UsageError: The image has too many pixels, or its resized form has.
        """
        pixels = np.ascontiguousarray(rgb)
        height, width = pixels.shape[:2]
        image = _Image(pixels.ctypes.data, pixels.nbytes, width, height, 0)
        fitted: Images = np.empty((size, size, 3), dtype=np.uint8)
        self._check(self._library.ran_fit(ctypes.byref(image), resize or 0, size, fitted.ctypes.data, fitted.nbytes))
        return fitted

    def normalize(self, images: Images, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
        """Return float32 [N, 3, size, size] of images, uint8 [N, size, size, 3]: (x - 255 mean) / (255 std)."""
        pixels = np.ascontiguousarray(images)
        count, size = pixels.shape[:2]
        tensor = np.empty((count, 3, size, size), dtype=np.float32)
        rows = [np.asarray(row, dtype=np.float32) for row in (mean, std)]
        self._check(
            self._library.ran_normalize(
                *(pixels.ctypes.data, pixels.nbytes, count, size),
                *(row.ctypes.data for row in rows),
                *(tensor.ctypes.data, tensor.nbytes),
            ),
        )
        return tensor

    def _check(self, status: int) -> None:
        if status == 0:
            return
        kind = UsageError if status == _USAGE else RanDeployError
        message, fix = (getattr(self._library, name)().decode() for name in ("ran_last_error", "ran_last_fix"))
        raise kind(message, fix=fix)


def native_library() -> NativeLibrary | None:
    """Return the library that ``$RAN_DEPLOY_LIBRARY`` names; None if it names none.

    Raises:
        MissingError: It cannot be loaded.
        IncompatibleError: Its interface has another version.
    """
    path = os.environ.get(LIBRARY_VARIABLE)
    return _load(path) if path else None


@functools.lru_cache(maxsize=4)
def _load(path: str) -> NativeLibrary:
    return NativeLibrary(path)
