"""Plans, really built with TensorRT-RTX, ahead of time and without a GPU."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.engine import builder
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.files import write_text
from ran_deploy.manifest import Precision, manifest_path, publish, verified_manifest
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.runtime.plan_header import read_header
from tests.quant.small import hot_model, publish_model, small_model


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A float32 file."""
    return publish_model(small_model(), tmp_path / "small.onnx")


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A float16 file."""
    return publish_model(to_fp16(small_model()), tmp_path / "small_fp16.onnx", Precision(asked="fp16"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_plan_and_its_manifest(precision: str, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue("small" if precision == "fp32" else "half")
    result = build_engine(source)
    assert result.path == source.with_suffix(".plan")
    manifest = verified_manifest(result.path)
    assert manifest == result.manifest
    assert manifest is not None
    assert manifest.build is not None
    assert manifest.kind == "plan"
    assert manifest.precision.obtained == {precision: 3}
    assert (manifest.build.flavour, manifest.build.gpu) == ("tensorrt-rtx", None)
    assert manifest.build.targets[-1].endswith("+")
    assert manifest.parents[0].sha256 == (verified_manifest(source) or manifest).sha256
    header = read_header(result.path.read_bytes())
    assert header.version == manifest.build.version


def test_an_unchanged_plan_is_used_again(half: Path) -> None:
    first = build_engine(half)
    assert not first.reused
    again = build_engine(half)
    assert again.reused
    assert again.manifest == first.manifest
    assert not build_engine(half, options=BuildOptions(optimization_level=2)).reused


def test_a_damaged_plan_is_built_again(half: Path) -> None:
    path = build_engine(half).path
    path.write_bytes(b"damaged")
    assert not build_engine(half).reused
    assert verified_manifest(path) is not None


def test_targets_are_in_plan_and_manifest(half: Path) -> None:
    result = build_engine(half, options=BuildOptions(targets=("sm89", "sm86")))
    assert result.manifest.build is not None
    assert result.manifest.build.targets == ("sm86", "sm89")
    assert read_header(result.path.read_bytes()).targets == ("sm86", "sm89")


def test_float32_asked_as_float16_is_no_plan(tmp_path: Path) -> None:
    lying = publish_model(small_model(), tmp_path / "lying.onnx", Precision(asked="fp16"))
    with pytest.raises(GateError, match="3 of 3 compute nodes") as caught:
        build_engine(lying)
    assert "Conv stem is fp32" in caught.value.message
    assert names(tmp_path) == ["lying.onnx", "lying.onnx.manifest.json"]


def test_kept_nodes_are_float32_in_the_plan(tmp_path: Path) -> None:
    model = to_fp16(hot_model(), frozenset({"stem", "bn"}))
    path = publish_model(model, tmp_path / "hot.onnx", Precision(asked="fp16", kept=("stem", "bn")))
    assert build_engine(path).manifest.precision.obtained == {"fp16": 2, "fp32": 1}


def test_a_corrupted_onnx_is_refused(small: Path) -> None:
    data = bytearray(small.read_bytes())
    data[len(data) // 2] ^= 1
    small.write_bytes(data)
    with pytest.raises(IntegrityError, match="not the file that its manifest describes"):
        build_engine(small)
    assert not small.with_suffix(".plan").exists()


def test_a_foreign_onnx_is_refused(small: Path) -> None:
    manifest_path(small).unlink()
    with pytest.raises(UsageError, match="no manifest beside it"):
        build_engine(small)


def test_bytes_that_are_no_model(tmp_path: Path) -> None:
    path = publish_model(small_model(), tmp_path / "text.onnx")
    manifest = verified_manifest(path)
    assert manifest is not None
    publish(path, lambda temporary: write_text(temporary, "not a model"), manifest)
    with pytest.raises(IntegrityError, match="cannot be parsed"):
        build_engine(path)


def test_an_operator_that_tensorrt_lacks_is_named(tmp_path: Path) -> None:
    model = small_model()
    (relu,) = [node for node in model.graph.node if node.name == "relu"]
    relu.op_type = "Det"
    with pytest.raises(UsageError, match=r"Det relu"):
        build_engine(publish_model(model, tmp_path / "det.onnx"))


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    model = small_model()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(UsageError, match="fixed to 4"):
        build_engine(publish_model(model, tmp_path / "fixed.onnx"))


def test_another_input_than_the_contract_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.input[0].name = "pixels"
    model.graph.node[0].input[0] = "pixels"
    with pytest.raises(IntegrityError, match=r"input is pixels"):
        build_engine(publish_model(model, tmp_path / "renamed.onnx"))


def test_float32_for_sm75_says_what_to_do(small: Path) -> None:
    with pytest.raises(UsageError, match="FP32 GEMM") as caught:
        build_engine(small, options=BuildOptions(targets=("sm75",)))
    assert "float16" in caught.value.fix


@pytest.mark.parametrize("level", [-1, 6])
def test_effort_out_of_range(level: int) -> None:
    with pytest.raises(UsageError, match="expected 0 to 5"):
        BuildOptions(optimization_level=level)


def test_a_workspace_out_of_range() -> None:
    with pytest.raises(UsageError, match="workspace"):
        BuildOptions(workspace_bytes=0)


def test_a_profile_out_of_range() -> None:
    profile = BuildOptions().profile
    with pytest.raises(UsageError, match="1 ≤ min"):
        BuildOptions(profile=replace(profile, max_batch=2))


def test_an_output_folder_that_is_a_file(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        build_engine(small, out=tmp_path / "file" / "x.plan")


def test_the_model_is_never_overwritten_by_the_plan(small: Path) -> None:
    before = small.read_bytes()
    with pytest.raises(UsageError, match=r"must end in \.plan"):
        build_engine(small, out=small)
    assert small.read_bytes() == before


def test_ctrl_c_stops_the_builder_and_leaves_nothing(
    half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes from the builder's own thread, so that it always meets a builder at work."""
    before = names(tmp_path)
    run = builder._run

    def interrupted(build: Callable[[], Any], cancelled: threading.Event) -> Any:
        def work() -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            assert cancelled.wait(60)
            outcomes.append(build())

        return run(work, cancelled)

    outcomes: list[Any] = []
    monkeypatch.setattr(builder, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_engine(half)
    assert outcomes == [None]  # the monitor stopped it
    assert names(tmp_path) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "tensorrt-build"]
