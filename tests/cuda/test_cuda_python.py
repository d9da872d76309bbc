import sys
from types import ModuleType

import numpy as np
import pytest

from ran_deploy.cuda.cuda_python import CudaPythonDevice
from ran_deploy.errors import MissingError, RanDeployError
from tests.cuda.driver_stand_in import CUresult, Driver


@pytest.fixture
def device(core: ModuleType) -> CudaPythonDevice:
    return CudaPythonDevice()


def test_the_context_is_put_back(device: CudaPythonDevice, driver: Driver) -> None:
    with pytest.raises(ZeroDivisionError), device.current():
        raise ZeroDivisionError
    assert driver.calls == [("cuCtxGetCurrent",), ("set_current",), ("cuCtxSetCurrent", "before")]


def test_copies_events_and_waiting_on_the_stream(device: CudaPythonDevice, driver: Driver) -> None:
    with device.current():
        stream, buffer, pinned = device.stream(), device.device_buffer(64), device.pinned_buffer(32)
        assert (stream.handle, buffer.address, buffer.nbytes) == (0x5E, 0x100, 64)
        pinned.array[:] = np.arange(32)
        address = pinned.array.ctypes.data
        driver.calls.clear()
        stream.upload(buffer.address, pinned.array[:16])
        stream.copy(1, 2, 3)
        stream.download(pinned.array[8:], buffer.address)
        start = stream.record()
        assert stream.record().ms_since(start) == 1.5
        stream.synchronize()
        stream.close()
        assert driver.calls == [
            ("cuMemcpyHtoDAsync", 0x100, address, 16, 0x5E),
            ("cuMemcpyDtoDAsync", 1, 2, 3, 0x5E),
            ("cuMemcpyDtoHAsync", address + 8, 0x100, 24, 0x5E),
            ("cuEventRecord", "event 0", 0x5E),
            ("cuEventRecord", "event 1", 0x5E),
            ("cuEventElapsedTime", "event 0", "event 1"),
            ("cuStreamSynchronize", 0x5E),
            ("close stream",),
        ]


def test_memory_is_freed_once(device: CudaPythonDevice, driver: Driver) -> None:
    with device.current():
        for buffer in (device.device_buffer(64), device.pinned_buffer(64)):
            buffer.free()
            buffer.free()
    assert driver.names().count("cuMemFree") == 1
    assert driver.names().count("cuMemFreeHost") == 1


def test_a_full_gpu_is_told_as_such(device: CudaPythonDevice, driver: Driver) -> None:
    driver.fails["cuMemAlloc"] = CUresult.CUDA_ERROR_OUT_OF_MEMORY
    with pytest.raises(MissingError, match="too little free memory to allocate 4,096 bytes on the GPU") as caught:
        device.device_buffer(4096)
    assert "nvidia-smi" in caught.value.fix


def test_work_that_fails_on_the_gpu_is_told_when_it_is_awaited(device: CudaPythonDevice, driver: Driver) -> None:
    with device.current():
        stream = device.stream()
        driver.fails["cuStreamSynchronize"] = CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
        with pytest.raises(RanDeployError, match="could not finish the work on the GPU"):
            stream.synchronize()


def test_a_graph_is_captured_on_the_stream(device: CudaPythonDevice, driver: Driver) -> None:
    with device.current():
        device.stream().capture(lambda: None).launch()
    assert ("cuGraphLaunch", 8, 0x5E) in driver.calls


@pytest.mark.parametrize("package", ["cuda.core", "cuda.bindings.driver"])
def test_a_package_that_is_missing(core: ModuleType, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError, match=f"needs the package {package}") as caught:
        CudaPythonDevice()
    assert caught.value.fix == "Run: pip install 'ran-deploy[gpu]'"


def test_the_real_packages_have_what_is_used() -> None:
    real = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    core = pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    used = {name for name in vars(Driver) if name.startswith(("cu", "CU"))}
    assert used <= set(dir(real))
    for name in used:
        if name.startswith("cu"):  # its documentation begins with the signature
            wanted = getattr(Driver, name).__code__
            signature = str(getattr(real, name).__doc__).splitlines()[0]
            names = [part.split(":")[0].split()[-1] for part in signature[len(name) + 1 : -1].split(",") if part]
            assert names == list(wanted.co_varnames[1 : wanted.co_argcount])
    assert core.StreamOptions(nonblocking=True).nonblocking
    assert core.EventOptions(timing_enabled=True).timing_enabled
    for owner, members in {
        core.Device: ("set_current", "create_stream", "create_event"),
        core.Stream: ("handle", "close"),
        core.Event: ("handle",),
    }.items():
        assert set(members) <= set(dir(owner))
    assert real.CUresult.CUDA_ERROR_OUT_OF_MEMORY.name == "CUDA_ERROR_OUT_OF_MEMORY"
    assert int(real.CUstream(5)) == 5
