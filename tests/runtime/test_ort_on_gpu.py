"""What only a GPU can prove of ONNX Runtime's GPU providers: against its CPU provider on the same images."""

from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.open_onnx import OnnxRuntime

pytestmark = pytest.mark.gpu


@pytest.fixture(params=["onnxruntime-cuda", "onnxruntime-tensorrt"])
def session(request: pytest.FixtureRequest, engines: Any) -> Any:
    runtime: OnnxRuntime = request.param
    try:
        opened = open_engine(engines.onnx, runtime=runtime)
    except MissingError as error:
        pytest.skip(error.message)
    with opened:
        yield opened


def _images(count: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_the_logits_are_those_of_the_cpu(session: Any, engines: Any) -> None:
    images = _images(16)
    with open_engine(engines.onnx) as plain:
        expected = plain.run(images)
    actual = session.run(images)
    assert np.abs(actual - expected).max() <= 5e-3  # TF32 is allowed in CUDA's convolutions
    assert (actual.argmax(1) == expected.argmax(1)).all()


def test_a_tensor_on_the_gpu_gives_the_same_logits(session: Any) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    images = _images(4)
    np.testing.assert_array_equal(session.run(torch.from_numpy(images).cuda()), session.run(images))
