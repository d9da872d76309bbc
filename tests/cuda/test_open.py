from types import ModuleType
from typing import Any

import pytest

from ran_deploy.cuda.open import CUDA_BACKENDS, open_device
from ran_deploy.errors import UsageError


def test_each_backend_by_its_name(core: ModuleType, pycuda: Any) -> None:
    assert [open_device(name).backend for name in CUDA_BACKENDS] == ["cuda-python", "pycuda"]


def test_another_name() -> None:
    with pytest.raises(UsageError, match="The CUDA backend is 'hip'; expected one of cuda-python, pycuda"):
        open_device("hip")  # type: ignore[arg-type]
