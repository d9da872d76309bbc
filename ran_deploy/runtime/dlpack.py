"""Tensors of other libraries, taken through DLPack without a copy: PyTorch, CuPy, JAX and others offer it.

The layout of the structures is that of ``dlpack.h`` (github.com/dmlc/dlpack), which fixes it for capsules named
"dltensor". A capsule that keeps this name stays its producer's: it frees the tensor when the capsule is dropped.
"""

import ctypes
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError

_CPU, _CUDA, _CUDA_HOST = 1, 2, 3  # kDLCPU, kDLCUDA, kDLCUDAHost
_NAME = b"dltensor"
_KINDS = {0: "int", 1: "uint", 2: "float"}  # kDLInt, kDLUInt, kDLFloat


class SupportsDlpack(Protocol):
    """What DLPack asks of a tensor's class."""

    def __dlpack__(self, *, stream: Any = None) -> Any:
        """Return the tensor in a capsule, readable for work that ``stream`` gets from now on."""

    def __dlpack_device__(self) -> tuple[Any, int]:
        """Return the kind and the number of the device that holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTensor:
    """A dense tensor in a GPU's memory, which stays there as long as this object lives."""

    address: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    owner: Any = field(repr=False)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def is_on_gpu(images: npt.NDArray[Any] | SupportsDlpack) -> TypeGuard[SupportsDlpack]:
    """Whether a batch is a tensor in the memory of an NVIDIA GPU."""
    return not isinstance(images, np.ndarray) and _device(images)[0] == _CUDA


def to_numpy(images: npt.NDArray[Any] | SupportsDlpack) -> npt.NDArray[Any]:
    """Return a batch in the host's memory as an array, without a copy.

    Raises:
        UsageError: It is neither an array nor a tensor, or it is on a GPU.
    """
    if isinstance(images, np.ndarray):
        return images
    kind, _ = _device(images)
    if kind not in (_CPU, _CUDA_HOST):
        raise UsageError(
            "The input is a tensor on a GPU; this engine runs on the CPU.",
            fix="Copy it to the host first, or open a .plan, which takes it where it is.",
        )
    try:
        return np.from_dlpack(images)
    except (BufferError, RuntimeError, TypeError) as error:
        raise UsageError(f"The input cannot be read through DLPack: {error}.", fix="Give a NumPy array.") from error


def from_gpu(images: SupportsDlpack, stream: int) -> DeviceTensor:
    """Return where a tensor on the first GPU lies; its producer makes ``stream`` wait until it is written.

    Args:
        images: The tensor.
        stream: The ``CUstream``, as a number, of the work that will read it.

    Raises:
        UsageError: It is on another GPU, is not dense in row-major order, or has a type that NumPy lacks.
    """
    _, number = _device(images)
    if number != 0:
        raise UsageError(
            f"The input is on the GPU {number}; this engine runs on GPU 0.",
            fix="Choose the GPU for the whole process with CUDA_VISIBLE_DEVICES.",
        )
    return read_capsule(images.__dlpack__(stream=stream))


def read_capsule(capsule: Any) -> DeviceTensor:
    """Read a capsule named "dltensor", which the result keeps.

    Raises:
        UsageError: The tensor is not dense in row-major order, or has a type that NumPy lacks.
    """
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _Tensor.from_address(get(capsule, _NAME))
    shape = tuple(tensor.shape[index] for index in range(tensor.ndim))
    if tensor.strides:  # none: dense by definition
        strides = tuple(tensor.strides[index] for index in range(tensor.ndim))
        dense = tuple(int(np.prod(shape[index + 1 :], dtype=np.int64)) for index in range(tensor.ndim))
        if any(side > 1 and found != wanted for side, found, wanted in zip(shape, strides, dense, strict=True)):
            raise UsageError("The input's memory is not in row-major order.", fix="Call .contiguous() on it.")
    kind = _KINDS.get(tensor.code)
    if kind is None or tensor.lanes != 1:
        raise UsageError("The input has a type that engines do not take.", fix="Convert it to uint8 or float32.")
    return DeviceTensor(
        address=(tensor.data or 0) + tensor.byte_offset,
        dtype=np.dtype(f"{kind}{tensor.bits}"),
        shape=shape,
        owner=capsule,
    )


class _Tensor(ctypes.Structure):
    """``DLTensor``, with which ``DLManagedTensor`` begins."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def _device(images: SupportsDlpack) -> tuple[int, int]:
    try:
        kind, number = images.__dlpack_device__()
    except AttributeError as error:
        raise UsageError(
            f"The input is a {type(images).__name__}; expected a NumPy array or a tensor with DLPack."
        ) from error
    return int(kind), int(number)
