"""What a configuration comes down to for each kind of engine, and what is refused with its reason."""

from pathlib import Path
from typing import Any

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.packaging.source import read_source
from ran_deploy.packaging.triton_choice import TritonChoice, choose
from ran_deploy.packaging.triton_options import TritonOptions
from tests.packaging.engines import onnx_engine, plan_engine


def chosen(path: Path, **options: Any) -> TritonChoice:
    return choose(read_source(path), TritonOptions(**options))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return plan_engine(tmp_path / "a.plan")


@pytest.fixture
def rtx(tmp_path: Path) -> Path:
    return plan_engine(tmp_path / "b.plan", flavour="tensorrt-rtx")


def test_the_defaults(engine: Path, plan: Path, rtx: Path) -> None:
    assert chosen(engine) == TritonChoice(backend="onnxruntime", max_batch=64, preferred=(), on_gpu=False)
    assert chosen(plan) == TritonChoice(backend="tensorrt", max_batch=32, preferred=(8, 32), on_gpu=True)
    assert chosen(rtx) == TritonChoice(backend="python", max_batch=32, preferred=(8, 32), on_gpu=True)


def test_openvino_runs_requests_as_they_come_unless_told(engine: Path) -> None:
    assert chosen(engine, backend="openvino").max_batch == 0
    assert chosen(engine, backend="openvino", max_batch=8).max_batch == 8


def test_what_is_given_is_taken(engine: Path, plan: Path) -> None:
    assert chosen(engine, max_batch=16, preferred=(8, 4, 8)).preferred == (4, 8)
    assert chosen(plan, max_batch=4).preferred == (4,), "the tuned size is above the largest"
    assert chosen(plan, max_batch=1).preferred == ()
    assert chosen(plan, max_batch=0) == TritonChoice(backend="tensorrt", max_batch=0, preferred=(), on_gpu=True)
    assert chosen(engine, device="gpu").on_gpu
    assert chosen(engine, gpus=(0, 1)).on_gpu
    assert chosen(engine, accelerator="tensorrt").on_gpu
    assert not chosen(engine, accelerator="openvino").on_gpu
    assert chosen(engine, backend="python", runtime="onnxruntime-cuda").on_gpu


def test_a_fixed_batch_is_not_batched(tmp_path: Path) -> None:
    fixed = onnx_engine(tmp_path / "four.onnx", batch=4)
    assert chosen(fixed).max_batch == 0
    with pytest.raises(UsageError, match="takes exactly 4 images"):
        chosen(fixed, max_batch=8)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("onnx", {"backend": "tensorrt"}, "takes a TensorRT plan; .* is an .onnx model"),
        ("plan", {"backend": "onnxruntime"}, "takes an .onnx model"),
        ("plan", {"backend": "openvino"}, "takes an .onnx model"),
        ("rtx", {"backend": "tensorrt"}, "was built by tensorrt-rtx; .* runs plans of the full TensorRT"),
        ("plan", {"max_batch": 64}, "--max-batch is 64, but .* at most 32"),
        ("plan", {"preferred": (64,)}, "--preferred-batch has 64, but the largest batch is 32"),
        ("onnx", {"preferred": (4,), "max_batch": 0}, "--preferred-batch has 4"),
        ("plan", {"device": "cpu"}, "--device is cpu, but .*a.plan runs on the GPU"),
        ("onnx", {"backend": "openvino", "device": "gpu"}, "openvino runs on the CPU"),
        ("onnx", {"backend": "openvino", "gpus": (0,)}, "--gpus is given, but"),
        ("onnx", {"accelerator": "cuda", "device": "cpu"}, "the accelerator cuda runs on the GPU"),
        ("onnx", {"backend": "python", "accelerator": "cuda"}, "--accelerator is for the back end onnxruntime"),
        ("onnx", {"runtime": "openvino"}, "is for --triton-backend python"),
        ("onnx", {"backend": "python", "runtime": "torch-compile"}, "does not run in torch-compile"),
        ("onnx", {"backend": "python", "runtime": "openvino", "device": "gpu"}, "the runtime openvino runs on the CPU"),
        ("rtx", {"runtime": "openvino"}, "does not run in openvino"),
        ("plan", {"threads": 2}, "--threads is for the CPU"),
        ("rtx", {"gpus": (1,)}, "runs on the first GPU"),
    ],
)
def test_what_does_not_go_together(
    kind: str, options: dict[str, Any], message: str, engine: Path, plan: Path, rtx: Path
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        chosen({"onnx": engine, "plan": plan, "rtx": rtx}[kind], **options)
    assert caught.value.fix


def test_a_plan_that_takes_no_single_image_is_refused(tmp_path: Path) -> None:
    plan = plan_engine(tmp_path / "many.plan", profile=(4, 8, 32))
    with pytest.raises(UsageError, match="takes 4 to 32 images"):
        chosen(plan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instances": 0}, "--instances is 0"),
        ({"max_batch": -1}, "--max-batch is -1"),
        ({"preferred": (0,)}, "--preferred-batch is 0"),
        ({"queue_delay_us": -1}, "--queue-delay-us is -1"),
        ({"keep_versions": 0}, "--keep-versions is 0"),
        ({"gpus": (0,), "device": "cpu"}, "the device is cpu"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TritonOptions(**options)
