"""What a session leaves out is said, and only where it is so."""

from dataclasses import replace

import pytest

from ran_deploy.runtime.caveats import caveats
from ran_deploy.runtime.session import SessionInfo

INFO = SessionInfo(
    engine="small_fp16.onnx",
    sha256="",
    runtime="onnxruntime",
    provider="CPUExecutionProvider",
    device="cpu",
    precision="fp16",
    threads=1,
    load_s=0.0,
)


@pytest.mark.parametrize("precision", ["fp16", "fp16+fp32", "fp16+int8"])
def test_float16_on_the_cpu_is_float32(precision: str) -> None:
    (text,) = caveats(replace(INFO, precision=precision))
    assert "computes the float16 of small_fp16.onnx in float32" in text


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "fp32"},
        {"precision": "fp32+int8"},
        {"precision": "unknown"},
        {"provider": "CUDAExecutionProvider", "device": "cuda:0"},
        {"runtime": "tensorrt", "provider": "tensorrt", "device": "cuda:0"},
    ],
)
def test_all_else_is_as_it_says(change: dict[str, str]) -> None:
    assert caveats(replace(INFO, **change)) == ()  # type: ignore[arg-type]
