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


INT8 = replace(
    INFO, engine="small_int8.onnx", runtime="openvino", provider="CPU", precision="fp32+int8 (inference f32)"
)


def test_int8_in_openvino_may_saturate_without_vnni() -> None:
    (text,) = caveats(INT8, features=("avx2",))
    assert "no VNNI" in text
    assert "--reduce-range" in text


@pytest.mark.parametrize(
    ("info", "features"),
    [
        (INT8, ("avx2", "avx512_vnni")),
        (INT8, ("avx2", "avx_vnni")),
        (INT8, ("asimddp",)),
        (INT8, ()),
        (replace(INT8, runtime="onnxruntime"), ("avx2",)),
        (replace(INT8, precision="fp32 (inference precision f32)"), ("avx2",)),
    ],
)
def test_other_machines_and_runtimes_do_not_saturate(info: SessionInfo, features: tuple[str, ...]) -> None:
    assert caveats(info, features) == ()
