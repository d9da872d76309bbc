"""Tensors on the GPU into ONNX Runtime: the real session and IoBinding, with the host's memory in the GPU's place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.manifest import verified_manifest
from ran_deploy.runtime import ort_gpu_input, ort_session
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.ort_session import OrtSession
from tests.runtime.gpu_stand_in import HANDLE, Gpu


class OnGpu:
    def __init__(self, gpu: Gpu, images: Any) -> None:
        self._gpu, self.images = gpu, images

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self._gpu.log.append(("exported for", stream))
        return self.images.__dlpack__()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()
    monkeypatch.setattr(ort_gpu_input, "_PLACE", ("cpu", 0))
    monkeypatch.setattr(ort_session, "open_device", lambda: gpu)
    monkeypatch.setattr(ort_session, "provider_chain", lambda _ort, _provider: ["CPUExecutionProvider"])
    monkeypatch.setattr(ort_session, "check_provider", lambda _path, _session, _provider: "CUDAExecutionProvider")
    return gpu


def opened(path: Path) -> OrtSession:
    manifest = verified_manifest(path)
    assert manifest is not None
    return OrtSession(path, manifest.contract, manifest=manifest, provider="cuda")


def pixels(count: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_a_tensor_is_read_where_it_lies_once_its_producer_is_done(gpu: Gpu, engines: Any) -> None:
    with open_engine(engines.onnx) as plain, opened(engines.onnx) as session:
        assert session.info.device == "cuda:0"
        for seed in (1, 2):
            images = pixels(3, seed)
            gpu.log.clear()
            logits = session.run(OnGpu(gpu, images))
            assert logits.dtype == np.float32
            np.testing.assert_array_equal(logits, plain.run(images))
            assert gpu.log == [("exported for", HANDLE), ("synchronize",)]
        np.testing.assert_array_equal(session.run(images), plain.run(images))
        assert gpu.closed == 0
    assert gpu.closed == 1


def test_a_tensor_that_does_not_fit_is_refused_and_the_next_one_runs(gpu: Gpu, engines: Any) -> None:
    with opened(engines.onnx) as session:
        with pytest.raises(UsageError, match=r"\[2 × 31 × 32 × 3\]"):
            session.run(OnGpu(gpu, pixels(2)[:, :31].copy()))
        with pytest.raises(UsageError, match="is float32; this engine takes uint8"):
            session.run(OnGpu(gpu, pixels(2).astype(np.float32)))
        assert session.run(OnGpu(gpu, pixels(2))).shape == (2, 10)
    with pytest.raises(UsageError, match="is closed"):
        session.run(OnGpu(gpu, pixels(2)))


def test_on_the_cpu_a_tensor_of_the_gpu_is_refused(engines: Any) -> None:
    with open_engine(engines.onnx) as session, pytest.raises(UsageError, match="this engine runs on the CPU"):
        session.run(OnGpu(Gpu(), pixels(1)))  # type: ignore[arg-type]
