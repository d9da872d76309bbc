"""What the real TensorRT-RTX answers here about plans, before and instead of deserializing them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ran_deploy.engine.build import build_engine
from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError
from ran_deploy.runtime import gpu
from ran_deploy.runtime.plan_validity import check_validity
from ran_deploy.runtime.trt_engine import load_engine
from ran_deploy.runtime.trt_log import make_logger
from tests.quant.small import publish_model, small_model

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")


def _has_gpu() -> bool:
    try:
        gpu.require_gpu("this test")
    except MissingError:
        return False
    return True


without_gpu = pytest.mark.skipif(_has_gpu(), reason="this machine has a GPU")


def test_bytes_that_are_no_plan() -> None:
    logger, _ = make_logger(rtx)
    with pytest.raises(IntegrityError, match=r"no\.plan is not a plan that TensorRT-RTX .* can read") as caught:
        check_validity(rtx, rtx.Runtime(logger), Path("no.plan"), b"plan" * 100)
    assert caught.value.exit_code == 5


@without_gpu
def test_a_whole_plan_without_a_gpu(tmp_path: Path) -> None:
    plan = build_engine(publish_model(small_model(), tmp_path / "small.onnx")).path
    with pytest.raises(IncompatibleError, match=r"TensorRT-RTX .* refuses .*small\.plan on this machine"):
        load_engine(rtx, plan, plan.read_bytes())
    # The full TensorRT has no such question; there the library's own log must say why.
    logger, messages = make_logger(rtx)
    assert rtx.Runtime(logger).deserialize_cuda_engine(plan.read_bytes()) is None
    assert "CUDA driver version is insufficient" in messages.last_errors() or "cudaError" in messages.last_errors()


def _answering(validity: Any, diagnostics: int) -> Any:
    return SimpleNamespace(get_engine_validity=lambda plan: (validity, diagnostics))


def test_each_diagnosis_is_named() -> None:
    diagnoses = rtx.EngineInvalidityDiagnostics
    both = int(diagnoses.OLD_CUDA_DRIVER) | int(diagnoses.UNSUPPORTED_CC)
    with pytest.raises(IncompatibleError, match=r"unsupported cc, old cuda driver") as caught:
        check_validity(rtx, _answering(rtx.EngineValidity.INVALID, both), Path("a.plan"), b"")
    assert caught.value.exit_code == 4


def test_a_plan_that_is_not_the_best_runs_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    version = int(rtx.EngineInvalidityDiagnostics.VERSION_MISMATCH)
    check_validity(rtx, _answering(rtx.EngineValidity.SUBOPTIMAL, version), Path("a.plan"), b"")
    assert capsys.readouterr().err.startswith("warning: TensorRT-RTX says that a.plan is not the best for this GPU")
    check_validity(rtx, _answering(rtx.EngineValidity.VALID, 0), Path("a.plan"), b"")
    assert capsys.readouterr().err == ""
