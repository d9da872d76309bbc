"""What only a GPU can prove of the runner: real plans, built here, against ONNX Runtime on the same images."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.cuda.open import CUDA_BACKENDS, CudaBackend
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.runtime.open import open_engine

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", params=["tensorrt", "tensorrt-rtx"])
def plan(request: pytest.FixtureRequest, engines: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 plan beside its ONNX file; skipped where the library is missing or does not build for this GPU."""
    folder = tmp_path_factory.mktemp("plans")
    onnx = Path(shutil.copy(engines.onnx, folder))
    shutil.copy(manifest_path(engines.onnx), folder)
    try:
        path = build_engine(onnx, options=BuildOptions(flavour=request.param)).path
        open_engine(path).close()
    except (MissingError, IncompatibleError) as error:
        pytest.skip(error.message)
    return path


def _images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def _backend(name: CudaBackend, plan: Path) -> Any:
    try:
        return open_engine(plan, cuda_backend=name)
    except MissingError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("backend", CUDA_BACKENDS)
def test_the_logits_are_those_of_onnx_runtime(plan: Path, backend: CudaBackend) -> None:
    with _backend(backend, plan) as session, open_engine(plan.with_suffix(".onnx"), "cpu") as reference:
        for count in (1, 3, 64, 3, 1, 1):  # new shapes, then replays of their graphs
            images = _images(count, seed=count)
            assert np.abs(session.run(images) - reference.run(images)).max() < 2e-2  # TF32 may be on


def test_graphs_are_captured_without_a_complaint(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_engine(plan) as session:
        session.run(_images(2))
        session.run(_images(2))
    assert "CUDA graphs" not in capsys.readouterr().err


def test_two_sessions_do_not_disturb_each_other(plan: Path) -> None:
    first, second = _images(4, seed=3), _images(4, seed=4)
    with open_engine(plan) as one, open_engine(plan) as other:
        expected = one.run(first), other.run(second)
        for _ in range(10):
            assert np.array_equal(one.run(first), expected[0])
            assert np.array_equal(other.run(second), expected[1])


def test_a_tensor_on_the_gpu_gives_the_same_logits(plan: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    images = _images(5)
    tensor = torch.from_numpy(images).cuda()
    with open_engine(plan) as session:
        expected = session.run(images)
        assert np.allclose(session.run(tensor), expected, atol=1e-5)
        assert np.allclose(session.run(tensor[1:]), expected[1:], atol=1e-3)  # not at a multiple of 256 bytes


def test_the_time_on_the_gpu_is_told(plan: Path) -> None:
    with open_engine(plan) as session:
        _, device_ms = session.run_timed(_images(64))  # type: ignore[attr-defined]
    assert device_ms > 0


def test_a_batch_outside_the_profile_is_refused_and_the_next_one_runs(plan: Path) -> None:
    with open_engine(plan) as session:
        with pytest.raises(UsageError, match="65 images"):
            session.run(_images(65))
        assert np.isfinite(session.run(_images(64))).all()
