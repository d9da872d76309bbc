"""Engines made again by their manifests: the same bytes, an equivalent plan, and what is said where they are not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ran_deploy.cli.app import run
from ran_deploy.deploying.rebuild import rebuild
from ran_deploy.deploying.remake import RebuildOptions
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.engine.profile import make_profile
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.graph.export import export_onnx
from ran_deploy.manifest import publish, read_manifest, verified_manifest
from ran_deploy.quant import int8_gate
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.quantize import quantize_fp16
from tests.quant.chain import colour_images
from tests.quant.small import publish_model, small_model


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and INT8 judged by noise alone: the small network's weights are random."""
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(int8_gate, "LEAST_AGREEMENT", 0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return publish_model(small_model(), tmp_path / "models" / "small.onnx")


def as_dict(error: GateError) -> dict[str, Any]:
    return json.loads(json.dumps(error.details))  # type: ignore[no-any-return]


def test_an_export_comes_out_with_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    export_onnx("naive-cnn", dataset="synthetic", out=path, random_weights=True, input_kind="float32-nchw")
    kept = tmp_path / "again.onnx"
    result = rebuild(path, out=kept)
    assert result.identical
    assert result.sha256 == result.rebuilt_sha256
    assert kept.read_bytes() == path.read_bytes()
    assert verified_manifest(kept) is not None
    assert (result.differences, result.versions, result.metrics) == ((), (), None)


def test_fp16_and_int8_come_out_with_the_same_bytes(source: Path, tmp_path: Path) -> None:
    images = colour_images(tmp_path / "images", each=2)
    half = quantize_fp16(source, samples=images).path
    assert rebuild(half, options=RebuildOptions(samples=images)).identical
    options = CalibrationOptions(dataset="folder", data=images, samples=6, seed=4, method="entropy")
    low = quantize_int8(source, options, high_precision="fp16", keep=frozenset({"mask"}), reduce_range=True).path
    with pytest.raises(UsageError, match="calibrated on 6 images of folder") as caught:
        rebuild(low)
    assert "--calib-data" in caught.value.fix
    assert rebuild(low, options=RebuildOptions(calib_data=images)).identical


def test_other_calibration_images_are_found_out(source: Path, tmp_path: Path) -> None:
    images = colour_images(tmp_path / "images", each=2)
    options = CalibrationOptions(dataset="folder", data=images, samples=6, method="minmax")
    low = quantize_int8(source, options).path
    others = colour_images(tmp_path / "others", each=3)
    with pytest.raises(GateError, match="the calibration was") as caught:
        rebuild(low, options=RebuildOptions(calib_data=others))
    assert [entry["what"] for entry in as_dict(caught.value)["differences"]] == ["the calibration"]


def test_a_plan_is_compared_by_the_types_of_its_layers(source: Path, tmp_path: Path) -> None:
    half = quantize_fp16(source).path
    options = BuildOptions(profile=make_profile(1, 2, 4), targets=("sm86",), flavour="tensorrt-rtx")
    plan = build_engine(half, options=options).path
    result = rebuild(plan)
    if not result.identical:
        assert result.metrics is not None or (result.not_run or "").startswith("Running ")
        assert "types of layers" in result.evidence or "logits differ by at most" in result.evidence
    moved = tmp_path / "elsewhere" / plan.name
    moved.parent.mkdir()
    for path in (plan, plan.with_name(f"{plan.name}.manifest.json")):
        shutil.copy(path, moved.parent)
    with pytest.raises(UsageError, match=r"made from small_fp16.onnx .* was not found"):
        rebuild(moved)
    rebuild(moved, options=RebuildOptions(parents=source.parent))
    other = read_manifest(plan)
    assert other is not None
    publish(plan, plan.read_bytes(), replace(other, precision=replace(other.precision, obtained={"fp16": 99})))
    with pytest.raises(GateError, match=r"types of the layers was .'fp16': 99\.?"):
        rebuild(plan)


def test_a_changed_engine_answers_otherwise(source: Path) -> None:
    """A file that claims another origin than it has: its manifest fits, its weights do not come from its parent."""
    half = quantize_fp16(source).path
    manifest = read_manifest(half)
    assert manifest is not None
    model = onnx.load(half)
    classifier = next(node for node in model.graph.node if node.name == "classifier")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == classifier.input[1])
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    publish(half, model.SerializeToString(), manifest)
    with pytest.raises(GateError, match="answer otherwise") as caught:
        rebuild(half, out=half.with_name("new.onnx"))
    assert caught.value.details["metrics"]["max_abs"] > 0.1
    assert not half.with_name("new.onnx").exists()


def test_what_cannot_be_rebuilt_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was not exported by ran-deploy"):
        rebuild(source)
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(source.read_bytes())
    with pytest.raises(UsageError, match="has no manifest"):
        rebuild(bare)
    half = quantize_fp16(source).path
    with pytest.raises(UsageError, match="would replace"):
        rebuild(half, out=half)
    before = source.read_bytes()
    with pytest.raises(UsageError, match="which it is made from"):
        rebuild(half, out=source)
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        rebuild(half, out=half.with_suffix(".plan"))
    assert source.read_bytes() == before
    model = onnx.load(source)
    model.producer_name = "someone else"
    manifest = read_manifest(source)
    assert manifest is not None
    publish(source, model.SerializeToString(), manifest)
    with pytest.raises(UsageError, match=r"was not found; .*small.onnx is another one"):
        rebuild(half)
    half.write_bytes(half.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        rebuild(half)


def test_the_command(source: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    half = quantize_fp16(source).path
    assert run(["rebuild", str(half)]) == 2
    assert "either --check or --out" in capsys.readouterr().err
    assert run(["rebuild", str(half), "--check"]) == 0
    assert "identical: the rebuilt file has the same bytes" in " ".join(capsys.readouterr().out.split())
    out = tmp_path / "kept.onnx"
    assert run(["rebuild", str(half), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["identical"], document["out"]) == ("ran-deploy.rebuild/v1", True, str(out))
    assert np.array_equal(np.frombuffer(out.read_bytes(), np.uint8), np.frombuffer(half.read_bytes(), np.uint8))
