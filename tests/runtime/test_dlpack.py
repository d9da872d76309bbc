"""Tensors of other libraries: the real capsules of NumPy and PyTorch."""

import ctypes
import gc
from typing import Any

import numpy as np
import pytest
import torch

from ran_deploy.errors import UsageError
from ran_deploy.runtime.dlpack import from_gpu, is_on_gpu, read_capsule, to_numpy
from ran_deploy.runtime.open import open_engine


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16, np.int64])
def test_a_capsule_tells_address_type_and_shape(dtype: Any) -> None:
    array = np.ones((2, 3, 4), dtype)
    tensor = read_capsule(array.__dlpack__())
    assert tensor.address == array.ctypes.data
    assert (tensor.dtype, tensor.shape, tensor.ndim, tensor.nbytes) == (array.dtype, (2, 3, 4), 3, array.nbytes)


def test_a_part_of_a_tensor_begins_where_it_begins() -> None:
    whole = torch.arange(24, dtype=torch.uint8).reshape(4, 6)
    assert read_capsule(whole[2:].__dlpack__()).address == whole.data_ptr() + 12


def test_the_tensor_lives_as_long_as_what_was_read() -> None:
    tensor = read_capsule(np.full(1000, 7, np.uint8).__dlpack__())
    gc.collect()
    assert ctypes.string_at(tensor.address, 1000) == b"\x07" * 1000


def test_other_memory_orders_are_refused() -> None:
    with pytest.raises(UsageError, match="not in row-major order") as caught:
        read_capsule(torch.zeros(2, 3, 4).permute(0, 2, 1).__dlpack__())
    assert ".contiguous()" in caught.value.fix
    assert read_capsule(torch.zeros(3, 1, 4).permute(0, 1, 2)[:, :, :].__dlpack__()).shape == (3, 1, 4)


def test_sides_of_one_may_have_any_stride() -> None:
    odd = torch.zeros(4, 5).as_strided((1, 5), (77, 1))
    assert read_capsule(odd.__dlpack__()).shape == (1, 5)


def test_types_without_an_equal_in_numpy_are_refused() -> None:
    with pytest.raises(UsageError, match="a type that engines do not take"):
        read_capsule(torch.zeros(2, dtype=torch.bfloat16).__dlpack__())


def test_tensors_in_the_hosts_memory_are_not_copied() -> None:
    tensor = torch.arange(6, dtype=torch.uint8)
    assert not is_on_gpu(tensor)
    assert to_numpy(tensor).ctypes.data == tensor.data_ptr()
    array = np.zeros(3)
    assert to_numpy(array) is array
    assert not is_on_gpu(array)


def test_what_cannot_be_exported_is_said() -> None:
    with pytest.raises(UsageError, match="cannot be read through DLPack"):
        to_numpy(torch.zeros(2, requires_grad=True))
    with pytest.raises(UsageError, match="The input is a list; expected a NumPy array"):
        to_numpy([1, 2])  # type: ignore[arg-type]


class _OnGpu:
    def __init__(self, number: int) -> None:
        self._number = number

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self._number)

    def __dlpack__(self, *, stream: Any = None) -> Any:
        raise AssertionError("must not be asked for")


def test_tensors_on_a_gpu_are_told_apart() -> None:
    assert is_on_gpu(_OnGpu(0))
    with pytest.raises(UsageError, match="a tensor on a GPU; this engine runs on the CPU"):
        to_numpy(_OnGpu(0))
    with pytest.raises(UsageError, match="on the GPU 1; this engine runs on GPU 0"):
        from_gpu(_OnGpu(1), stream=1)


def test_a_session_takes_a_torch_tensor(make_means: Any) -> None:
    images = torch.arange(2 * 4 * 4 * 3, dtype=torch.uint8).reshape(2, 4, 4, 3)
    with open_engine(make_means()) as session:
        assert np.array_equal(session.run(images), session.run(images.numpy()))  # type: ignore[arg-type]
