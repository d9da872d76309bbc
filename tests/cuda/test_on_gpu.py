"""What only a GPU can prove of the device layer, for each backend."""

import numpy as np
import pytest

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.cuda.open import CUDA_BACKENDS, open_device
from ran_deploy.errors import MissingError

pytestmark = pytest.mark.gpu


@pytest.fixture(params=CUDA_BACKENDS)
def device(request: pytest.FixtureRequest) -> CudaDevice:
    try:
        return open_device(request.param)
    except MissingError as error:
        pytest.skip(error.message)


def test_bytes_go_there_and_back(device: CudaDevice) -> None:
    with device.current():
        stream, source, target = device.stream(), device.pinned_buffer(4096), device.pinned_buffer(4096)
        first, second = device.device_buffer(4096), device.device_buffer(4096)
        assert first.address % 256 == second.address % 256 == 0
        source.array[:] = np.random.default_rng(1).integers(0, 256, 4096, dtype=np.uint8)
        start = stream.record()
        stream.upload(first.address, source.array)
        stream.copy(second.address, first.address, 4096)
        stream.download(target.array[:1000], second.address + 96)
        end = stream.record()
        stream.synchronize()
        assert np.array_equal(target.array[:1000], source.array[96:1096])
        assert end.ms_since(start) >= 0
        for owned in (source, target, first, second):
            owned.free()
        stream.close()
    device.close()


def test_a_captured_graph_does_its_work_when_it_is_launched(device: CudaDevice) -> None:
    with device.current():
        stream, host, gpu = device.stream(), device.pinned_buffer(256), device.device_buffer(256)
        host.array[:] = 1
        stream.upload(gpu.address, host.array)
        stream.synchronize()
        graph = stream.capture(lambda: stream.download(host.array, gpu.address))
        host.array[:] = 0
        stream.synchronize()
        assert not host.array.any()  # captured, not done
        graph.launch()
        stream.synchronize()
        assert (host.array == 1).all()
        graph.close()
        host.free()
        gpu.free()
        stream.close()
    device.close()


def test_a_capture_that_fails_leaves_the_stream_usable(device: CudaDevice) -> None:
    def work() -> None:
        stream.download(host.array, gpu.address)
        raise ZeroDivisionError

    with device.current():
        stream, host, gpu = device.stream(), device.pinned_buffer(256), device.device_buffer(256)
        with pytest.raises(ZeroDivisionError):
            stream.capture(work)
        host.array[:] = 3
        stream.upload(gpu.address, host.array)
        stream.synchronize()
        host.free()
        gpu.free()
        stream.close()
    device.close()
