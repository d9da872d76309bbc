import sys
from typing import Any

import numpy as np
import pytest

from ran_deploy.cuda.pycuda import PycudaDevice
from ran_deploy.errors import MissingError
from tests.cuda.driver_stand_in import Driver


def test_the_primary_context_is_retained_and_released(pycuda: Any) -> None:
    device = PycudaDevice()
    with pytest.raises(ZeroDivisionError), device.current():
        raise ZeroDivisionError
    device.close()
    device.close()
    assert pycuda.calls == [("init",), ("push",), ("pop",), ("detach",)]


def test_copies_events_and_waiting_on_a_stream_of_its_own(pycuda: Any) -> None:
    device = PycudaDevice()
    with device.current():
        stream, buffer, pinned = device.stream(), device.device_buffer(64), device.pinned_buffer(32)
        assert ("stream", 1) in pycuda.calls  # does not wait for the default stream
        assert (stream.handle, buffer.address, buffer.nbytes) == (0x5E, 0x300, 64)
        pycuda.calls.clear()
        stream.upload(buffer.address, pinned.array[:16])
        stream.copy(1, 2, 3)
        stream.download(pinned.array[8:], buffer.address)
        start = stream.record()
        assert stream.record().ms_since(start) == 2.5
        stream.synchronize()
    assert pycuda.calls[:-1] == [
        ("htod", 0x300, 16, 0x5E),
        ("dtod", 1, 2, 3, 0x5E),
        ("dtoh", 24, 0x300, 0x5E),
        ("record", 0x5E),
        ("record", 0x5E),
        ("synchronize",),
    ]


def test_memory_is_freed_once(pycuda: Any) -> None:
    device = PycudaDevice()
    for buffer in (device.device_buffer(64), device.pinned_buffer(64)):
        buffer.free()
        buffer.free()
    assert pycuda.calls[1:] == [("free",), ("free host",)]
    assert device.pinned_buffer(5).array.dtype == np.uint8


def test_a_full_gpu_is_told_as_such(pycuda: Any) -> None:
    with pytest.raises(MissingError, match="too little free memory to allocate"):
        PycudaDevice().device_buffer(1 << 50)


def test_graphs_are_captured_through_cuda_bindings(pycuda: Any, driver: Driver) -> None:
    PycudaDevice().stream().capture(lambda: None).launch()
    assert driver.calls[-1] == ("cuGraphLaunch", 8, 0x5E)


def test_graphs_without_cuda_bindings_are_refused(pycuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(MissingError, match="Capturing a CUDA graph needs"):
        PycudaDevice().stream().capture(lambda: None)


def test_pycuda_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(MissingError, match=r"needs the package pycuda\.driver") as caught:
        PycudaDevice()
    assert caught.value.fix == "Run: pip install 'ran-deploy[pycuda]'"


def test_no_gpu(pycuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise pycuda.Error("cuInit failed: no CUDA-capable device is detected")

    monkeypatch.setattr(pycuda, "init", init)
    with pytest.raises(MissingError, match="needs an NVIDIA GPU: cuInit failed"):
        PycudaDevice()
