"""Providers that are asked for, and those that ONNX Runtime would take instead without a word."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime as ort  # type: ignore[import-untyped]
import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.ort_providers import check_provider, provider_chain


def _session(*providers: str) -> Any:
    return SimpleNamespace(get_providers=lambda: list(providers))


def test_the_cpu_is_there() -> None:
    assert provider_chain(ort, "cpu") == ["CPUExecutionProvider"]
    assert check_provider(Path("a.onnx"), _session("CPUExecutionProvider"), "cpu") == "CPUExecutionProvider"


def test_a_gpu_build_gets_the_whole_chain(capsys: pytest.CaptureFixture[str]) -> None:
    everything = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    build = SimpleNamespace(
        __version__="1.31.0", get_available_providers=lambda: everything, preload_dlls=lambda: print("Failed to load x")
    )
    assert provider_chain(build, "tensorrt") == everything  # type: ignore[arg-type]
    assert provider_chain(build, "cuda") == everything[1:]  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""  # stdout is for data


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_silent_replacement_is_an_error(provider: Any) -> None:
    with pytest.raises(MissingError, match=r"could not load .* would run a\.onnx with CPUExecutionProvider") as caught:
        check_provider(Path("a.onnx"), _session("CPUExecutionProvider"), provider)
    assert "cuDNN" in caught.value.fix
    with pytest.raises(MissingError, match="with none"):
        check_provider(Path("a.onnx"), _session(), provider)


def test_the_provider_that_was_asked_for_passes() -> None:
    used = check_provider(Path("a.onnx"), _session("CUDAExecutionProvider", "CPUExecutionProvider"), "cuda")
    assert used == "CUDAExecutionProvider"
