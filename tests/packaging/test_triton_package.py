"""What is in a Triton repository, for each back end."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.data.preprocess import load_images
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.manifest import DYNAMIC, manifest_path
from ran_deploy.packaging import lint, triton_package
from ran_deploy.packaging.lint_view import read_config
from ran_deploy.packaging.package import package
from ran_deploy.packaging.record import RECORD, read_record
from ran_deploy.packaging.result import Finding, PackageResult
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.resources import models_folder
from tests.explaining.masked import save_masked
from tests.packaging.engines import contract, onnx_engine, plan_engine

pytest.importorskip("tritonclient.grpc", reason="Triton's schema comes with tritonclient")


def made(engine: Path, out: Path, **options: Any) -> tuple[PackageResult, Any]:
    result = package([engine], out, format="triton", name="m", triton=TritonOptions(**options))
    return result, read_config((out / "m" / "config.pbtxt").read_text())


def test_a_model_for_onnx_runtime(engine: Path, tmp_path: Path) -> None:
    result, config = made(engine, tmp_path / "out", max_batch=16, instances=2, threads=3, keep_versions=2)
    assert [file.path for file in result.files] == [
        "m/1/model.onnx",
        "m/1/model.onnx.manifest.json",
        "m/config.pbtxt",
        "m/labels.txt",
        "m/warmup/batch1.raw",
        "m/warmup/batch16.raw",
        RECORD,
    ]
    assert result.findings == ()
    assert (tmp_path / "out/m/1/model.onnx").read_bytes() == engine.read_bytes()
    assert (tmp_path / "out/m/1/model.onnx.manifest.json").read_bytes() == manifest_path(engine).read_bytes()
    assert tuple((tmp_path / "out/m/labels.txt").read_text().splitlines()) == contract().labels
    assert (config.name, config.backend, config.max_batch_size) == ("m", "onnxruntime", 16)
    assert config.version_policy.latest.num_versions == 2
    assert config.instance_group[0].count == 2
    assert config.parameters["intra_op_thread_count"].string_value == "3"
    batching = config.dynamic_batching
    assert (batching.max_queue_delay_microseconds, list(batching.preferred_batch_size)) == (1000, [])
    assert batching.default_queue_policy.max_queue_size == 1024


def test_warm_ups_are_real_images_each_of_one_request(engine: Path, tmp_path: Path) -> None:
    made(engine, tmp_path / "out")
    images = sorted((models_folder() / "samples").glob("*.jpg"))[:2]
    expected = load_images(images, contract().preprocessing)
    for image, batch in zip(expected, (1, 64), strict=True):
        raw = np.fromfile(tmp_path / f"out/m/warmup/batch{batch}.raw", np.uint8)
        np.testing.assert_array_equal(raw, image.reshape(-1))


def test_samples_of_ones_own(engine: Path, tmp_path: Path) -> None:
    frog = models_folder() / "samples" / "frog.jpg"
    package([engine], tmp_path / "out", format="triton", name="m", samples=[frog])
    image = load_images([frog], contract().preprocessing)
    assert (tmp_path / "out/m/warmup/batch1.raw").read_bytes() == image.tobytes()
    assert (tmp_path / "out/m/warmup/batch64.raw").read_bytes() == image.tobytes()
    with pytest.raises(UsageError, match="No image was found"):
        package([engine], tmp_path / "none", format="triton", samples=[tmp_path / "out"])
    assert not (tmp_path / "none").exists()


def test_a_plan_for_tensorrt(tmp_path: Path) -> None:
    plan = plan_engine(tmp_path / "a.plan")
    result, config = made(plan, tmp_path / "out", checksum=True, gpus=(0, 1))
    assert (config.backend, config.max_batch_size, config.default_model_filename) == ("tensorrt", 32, "model.plan")
    assert list(config.dynamic_batching.preferred_batch_size) == [8, 32]
    assert config.optimization.cuda.graphs
    assert list(config.instance_group[0].gpus) == [0, 1]
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 8, 32]
    (agent,) = config.model_repository_agents.agents
    assert dict(agent.parameters) == {"MD5:1/model.plan": hashlib.md5(plan.read_bytes()).hexdigest()}
    assert any("TensorRT must be 10.13.0.35, for a GPU of sm89" in note for note in result.notes)
    assert any("checksum agent" in note for note in result.notes)
    _, config = made(plan, tmp_path / "plain", cuda_graphs=False)
    assert not config.HasField("optimization")
    assert not config.HasField("model_repository_agents")


def test_a_model_for_openvino(engine: Path, tmp_path: Path) -> None:
    result, config = made(engine, tmp_path / "out", backend="openvino", instances=2, threads=4)
    assert (config.backend, config.max_batch_size, config.default_model_filename) == ("openvino", 0, "model.onnx")
    assert list(config.input[0].dims) == [DYNAMIC, 32, 32, 3]
    assert not config.HasField("dynamic_batching")
    found = {name: value.string_value for name, value in config.parameters.items()}
    assert found == {"NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "4"}
    assert any("bfloat16" in note for note in result.notes)
    result, config = made(engine, tmp_path / "padded", backend="openvino", max_batch=8)
    assert config.parameters["ENABLE_BATCH_PADDING"].string_value == "YES"
    assert any("fills every batch up to 8 images" in note for note in result.notes)


def test_a_model_for_the_back_end_python(engine: Path, tmp_path: Path) -> None:
    result, config = made(engine, tmp_path / "out", backend="python", runtime="openvino", threads=2)
    found = {name: value.string_value for name, value in config.parameters.items()}
    assert found == {"engine": "model.onnx", "runtime": "openvino", "threads": "2"}
    assert not config.default_model_filename
    program = (tmp_path / "out/m/1/model.py").read_text()
    compile(program, "model.py", "exec")
    assert "class TritonPythonModel" in program
    assert any("needs ran-deploy" in note for note in result.notes)
    rtx = plan_engine(tmp_path / "b.plan", flavour="tensorrt-rtx")
    _, config = made(rtx, tmp_path / "rtx")
    assert config.backend == "python"
    assert config.parameters["FORCE_CPU_ONLY_INPUT_TENSORS"].string_value == "yes"


@pytest.mark.parametrize(("accelerator", "side"), [("cuda", "gpu"), ("tensorrt", "gpu"), ("openvino", "cpu")])
def test_accelerators(accelerator: str, side: str, engine: Path, tmp_path: Path) -> None:
    _, config = made(engine, tmp_path / "out", accelerator=accelerator, max_batch=8, preferred=(4,))
    (found,) = getattr(config.optimization.execution_accelerators, f"{side}_execution_accelerator")
    assert found.name == accelerator
    if accelerator == "tensorrt":
        assert dict(found.parameters) == {
            "trt_profile_min_shapes": "images:1x32x32x3",
            "trt_profile_opt_shapes": "images:4x32x32x3",
            "trt_profile_max_shapes": "images:8x32x32x3",
        }


def test_a_fixed_batch(tmp_path: Path) -> None:
    result, config = made(onnx_engine(tmp_path / "four.onnx", batch=4), tmp_path / "out")
    assert result.findings == ()
    assert (config.max_batch_size, list(config.input[0].dims)) == (0, [4, 32, 32, 3])
    assert config.input[0].format == 0, "Triton takes a format for three dimensions only"
    (warmup,) = config.model_warmup
    assert (warmup.batch_size, list(warmup.inputs["images"].dims)) == (1, [4, 32, 32, 3])
    raw = np.fromfile(tmp_path / "out/m/warmup/batch4.raw", np.uint8).reshape(4, 32, 32, 3)
    assert len({image.tobytes() for image in raw}) == 4, "four different images"


def test_masks_are_further_outputs(tmp_path: Path) -> None:
    result, config = made(save_masked(tmp_path / "masked.onnx"), tmp_path / "out")
    assert result.findings == ()
    found = {output.name: (list(output.dims), output.label_filename) for output in config.output}
    assert found == {
        "logits": ([3], "labels.txt"),
        "mask_stage1_1": ([8, 8], ""),
        "mask_stage1_2": ([8, 8], ""),
        "mask_stage2_1": ([4, 4], ""),
    }


def test_several_models_in_one_repository(engine: Path, tmp_path: Path) -> None:
    plan = plan_engine(tmp_path / "a.plan")
    result = package([engine, plan], tmp_path / "out", format="triton")
    assert [(model.name, model.backend) for model in result.models] == [("small", "onnxruntime"), ("a", "tensorrt")]
    record = read_record(tmp_path / "out")
    assert record is not None
    assert record.models == result.models
    document = json.loads((tmp_path / "out" / RECORD).read_text())
    assert document["schema"] == "ran-deploy.package/v1"


def test_the_same_engine_gives_the_same_files(engine: Path, tmp_path: Path) -> None:
    first, _ = made(engine, tmp_path / "a")
    second, _ = made(engine, tmp_path / "b")
    assert first.files == second.files


def test_a_label_with_a_line_break(tmp_path: Path) -> None:
    from dataclasses import replace

    odd = replace(contract(), labels=("two\nlines", *contract().labels[1:]))
    engine = onnx_engine(tmp_path / "odd.onnx", described=odd)
    with pytest.raises(UsageError, match="has a line break"):
        made(engine, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_published_that_the_check_refuses(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Finding(severity="error", rule="dims", file="m/config.pbtxt", field="input[0]", message="wrong", fix="f")
    monkeypatch.setattr(triton_package, "lint_where_possible", lambda path: (wrong,))
    with pytest.raises(RanDeployError, match=r"would not work: m/config.pbtxt"):
        made(engine, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_tritonclient_the_package_is_made_unchecked(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tritonclient.grpc", None)
    result = package([engine], tmp_path / "out", format="triton")
    assert result.findings is None
    assert lint.lint_where_possible(tmp_path / "out") is None
