from typing import Any

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime import gpu


class _Driver:
    """Answers like libcuda on a machine with one GPU of compute capability 8.9."""

    def __init__(self, init: int = 0) -> None:
        self._init = init

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._init

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:  # noqa: N802
        device._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = b"NVIDIA L4"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 9}[attribute]
        return 0


def test_reads_name_and_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_driver", _Driver)
    assert gpu.require_gpu("This") == gpu.Gpu(name="NVIDIA L4", capability=89)


def test_driver_that_sees_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_driver", lambda: _Driver(init=100))
    with pytest.raises(MissingError) as caught:
        gpu.require_gpu("Running x.plan", fix="Use the CPU.")
    assert caught.value.message == (
        "Running x.plan needs an NVIDIA GPU; the NVIDIA driver answers with the CUDA error 100."
    )
    assert caught.value.fix == "Use the CPU."


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_LIBRARIES", ("libcuda-that-nobody-has.so.1",))
    with pytest.raises(MissingError, match="this machine has no NVIDIA driver"):
        gpu.require_gpu("This")
