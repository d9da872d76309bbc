"""Which NVIDIA GPU is there, asked of the driver itself: needs neither torch nor a CUDA package."""

import ctypes
from dataclasses import dataclass

from ran_deploy.errors import MissingError

_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The first GPU that this process may use."""

    name: str
    capability: int
    """Compute capability as one number: 89 for 8.9."""


def require_gpu(purpose: str, *, fix: str = "") -> Gpu:
    """Return the first GPU.

    Args:
        purpose: What needs it; begins the message.
        fix: What to do where there is none.

    Raises:
        MissingError: There is no NVIDIA driver, or it sees no GPU.
    """
    try:
        return _first_gpu(_driver())
    except OSError as error:
        raise MissingError(f"{purpose} needs an NVIDIA GPU; {error}.", fix=fix) from error


def _driver() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError("this machine has no NVIDIA driver")


def _first_gpu(driver: ctypes.CDLL) -> Gpu:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    for code in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDeviceGetName(name, _NAME_BYTES, device),
        driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device),
        driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device),
    ):
        if code:
            raise OSError(f"the NVIDIA driver answers with the CUDA error {code}")
    return Gpu(name=name.value.decode(errors="replace"), capability=10 * major.value + minor.value)
