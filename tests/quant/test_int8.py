"""The INT8 stage: real images in, a model with its proof out; nothing from noise, nothing half done."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.image_folder import FolderDataset
from ran_deploy.engine.build import build_engine
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.manifest import Precision, manifest_path, publish, read_manifest, verified_manifest
from ran_deploy.quant import int8_gate
from ran_deploy.quant.calibrate import calibrate
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.quantize import QuantizeResult
from tests.quant.small import publish_model

SAMPLES = 16


@pytest.fixture
def source(model: onnx.ModelProto, tmp_path: Path) -> Path:
    """A float32 file with its manifest."""
    return publish_model(model, tmp_path / "models" / "small.onnx")


@pytest.fixture
def images(tmp_path: Path, make_images: Callable[..., Path]) -> Path:
    """32 images of four classes."""
    return make_images(tmp_path / "images")


@pytest.fixture(autouse=True)
def judged_by_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """By SQNR alone: the small network's weights are random, and its near ties fall differently on each CPU."""
    monkeypatch.setattr(int8_gate, "LEAST_AGREEMENT", 0)


def quantize(source: Path, images: Path | None, **options: Any) -> QuantizeResult:
    names = {field.name for field in fields(CalibrationOptions)} & set(options)
    given = {"dataset": "folder", "samples": SAMPLES, **{name: options.pop(name) for name in names}}
    return quantize_int8(source, CalibrationOptions(data=images, **given), **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_int8_file_with_its_proof(source: Path, images: Path) -> None:
    result = quantize(source, images, seed=3)
    assert result.path == source.with_name("small_int8.onnx")
    manifest = verified_manifest(result.path)
    assert manifest == result.manifest
    assert manifest is not None
    assert manifest.precision == Precision(asked="int8", obtained={"fp32": 1, "int8": 2}, kept=("classifier",))
    assert [parent.role for parent in manifest.parents] == ["onnx", "calibration"]
    parent = verified_manifest(source)
    assert parent is not None
    record = manifest.calibration
    assert record is not None
    assert (record["dataset"], record["split"], record["count"], record["seed"]) == ("folder", "train", SAMPLES, 3)
    assert (record["method"], record["percentile"]) == ("percentile", 99.999)
    assert record["onnx_sha256"] == parent.sha256
    assert record["set_sha256"] == manifest.parents[1].sha256
    assert len(set(record["images_sha256"])) == SAMPLES
    assert result.parity["images"] == SAMPLES
    assert result.parity["sqnr_db"] > 25


def test_reduced_range_is_in_the_file_and_its_manifest(source: Path, images: Path) -> None:
    whole = quantize(source, images, out=source.with_name("whole.onnx"))
    result = quantize(source, images, reduce_range=True)
    largest = [
        max(
            int(abs(numpy_helper.to_array(tensor).astype(int)).max())
            for tensor in onnx.load(path).graph.initializer
            if tensor.data_type == onnx.TensorProto.INT8
        )
        for path in (whole.path, result.path)
    ]
    assert largest == [127, 63]
    assert [(made.manifest.calibration or {})["reduce_range"] for made in (whole, result)] == [False, True]
    assert whole.manifest.key != result.manifest.key
    assert run(["quantize", "--onnx", str(source), "--precision", "fp16", "--reduce-range"]) == 2
    with pytest.raises(UsageError, match="ModelOpt has no 7-bit weights"):
        quantize(source, images, reduce_range=True, backend="modelopt")


def test_an_unchanged_file_is_used_again(source: Path, images: Path) -> None:
    first = quantize(source, images)
    assert not first.reused
    again = quantize(source, images)
    assert again.reused
    assert again.manifest == first.manifest


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"samples": 12},
        {"method": "minmax"},
        {"high_precision": "fp16"},
        {"classifier": True},
        {"keep": frozenset({"mask"})},
    ],
)
def test_another_option_makes_another_file(source: Path, images: Path, change: dict[str, Any]) -> None:
    first = quantize(source, images)
    second = quantize(source, images, **change)
    assert not second.reused
    assert second.manifest.sha256 != first.manifest.sha256


def test_ranges_come_from_the_cache_for_the_same_images_only(
    source: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated = []

    def counted(*args: Any, **options: Any) -> Any:
        calibrated.append(options["method"])
        return calibrate(*args, **options)

    monkeypatch.setattr("ran_deploy.quant.observed.calibrate", counted)
    first = quantize(source, images, out=tmp_path / "a.onnx")
    cached = quantize(source, images, out=tmp_path / "b.onnx")
    assert len(calibrated) == 1
    assert cached.manifest.sha256 == first.manifest.sha256
    quantize(source, images, out=tmp_path / "c.onnx", high_precision="fp16")
    assert len(calibrated) == 1  # the same observations serve
    quantize(source, images, out=tmp_path / "d.onnx", seed=1)
    quantize(source, images, out=tmp_path / "e.onnx", method="entropy")
    assert calibrated == ["percentile", "percentile", "entropy"]


def test_kept_nodes_and_the_classifier_are_recorded(source: Path, images: Path) -> None:
    result = quantize(source, images, keep=frozenset({"mask"}), classifier=True)
    assert result.manifest.precision == Precision(asked="int8", obtained={"fp32": 1, "int8": 2}, kept=("mask",))


def test_the_rest_in_float16_builds(source: Path, images: Path) -> None:
    result = quantize(source, images, high_precision="fp16")
    assert result.manifest.precision.obtained == {"fp16": 1, "int8": 2}
    plan = build_engine(result.path)
    assert plan.manifest.precision.obtained == {"fp16": 1, "int8": 2}


def test_nodes_beyond_float16_stay_in_float32(hot: onnx.ModelProto, images: Path, tmp_path: Path) -> None:
    result = quantize(publish_model(hot, tmp_path / "hot.onnx"), images, high_precision="fp16")
    assert result.parity["not_finite"] == 0
    assert result.parity["top1_agreement"] > 0.9


def test_no_images_no_model(source: Path) -> None:
    with pytest.raises(UsageError, match="needs real images"):
        quantize(source, None)
    assert names(source.parent) == ["small.onnx", "small.onnx.manifest.json"]


def test_fewer_images_than_asked_for(source: Path, images: Path) -> None:
    with pytest.raises(UsageError, match="33 calibration images were asked for; folder has 32"):
        quantize(source, images, samples=33)


def test_the_models_own_dataset_is_the_default(source: Path, images: Path) -> None:
    with pytest.raises(UsageError, match="holds no cifar10 data"):
        quantize(source, images, dataset=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "mse"}, "method is 'mse'"),
        ({"high_precision": "bf16"}, "high precision is 'bf16'"),
        ({"backend": "theirs"}, "backend is 'theirs'"),
        ({"backend": "modelopt", "classifier": True}, "decides by itself"),
        ({"keep": frozenset({"nothing"})}, "no node named nothing"),
    ],
)
def test_impossible_options_are_refused(source: Path, images: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        quantize(source, images, **options)
    assert names(source.parent) == ["small.onnx", "small.onnx.manifest.json"]


def test_a_quantized_model_is_refused(source: Path, images: Path, tmp_path: Path) -> None:
    result = quantize(source, images)
    with pytest.raises(UsageError, match="is int8 already"):
        quantize(result.path, images)
    disguised = publish_model(onnx.load(result.path), tmp_path / "disguised.onnx")
    with pytest.raises(UsageError, match="quantized already"):
        quantize(disguised, images)


def test_an_opset_without_float16_scales_is_refused(model: onnx.ModelProto, images: Path, tmp_path: Path) -> None:
    model.opset_import[0].version = 18
    old = publish_model(model, tmp_path / "old.onnx")
    with pytest.raises(UsageError, match="float16 scales need 19"):
        quantize(old, images, high_precision="fp16")
    assert quantize(old, images).manifest.precision.obtained == {"fp32": 1, "int8": 2}


def test_its_own_source_is_not_overwritten(source: Path, images: Path) -> None:
    with pytest.raises(UsageError, match="itself"):
        quantize(source, images, out=source)


def test_a_changed_source_is_refused(source: Path, images: Path) -> None:
    source.write_bytes(source.read_bytes() + b"\0")
    with pytest.raises(IntegrityError, match="not the file that its manifest describes"):
        quantize(source, images)


def test_disagreement_fails_with_the_metrics(source: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_gate, "LEAST_SQNR_DB", 999)
    with pytest.raises(GateError, match=r"of 16 calibration images .* SQNR of \d+\.\d dB \(at least 999") as caught:
        quantize(source, images)
    assert caught.value.details["images"] == SAMPLES
    assert names(source.parent) == ["small.onnx", "small.onnx.manifest.json"]


def test_the_answers_of_random_weights_are_no_evidence(
    source: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(source)
    assert manifest is not None
    content = source.read_bytes()

    def write(path: Path) -> None:
        path.write_bytes(content)

    publish(source, write, replace(manifest, weights="random"))
    monkeypatch.setattr(int8_gate, "LEAST_SQNR_DB", 999)
    assert quantize(source, images).manifest.weights == "random"


def test_a_model_with_nan_is_refused(model: onnx.ModelProto, images: Path, tmp_path: Path) -> None:
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "fc_w")
    weight.CopyFrom(numpy_helper.from_array(np.full((10, 8), np.nan, np.float32), "fc_w"))
    with pytest.raises(GateError, match="infinity or NaN"):
        quantize(publish_model(model, tmp_path / "nan.onnx"), images)
    assert names(tmp_path) == ["images", "nan.onnx", "nan.onnx.manifest.json"]


def test_interrupted_it_leaves_nothing(
    source: Path, images: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the images are read for the second time, in the middle of the calibration."""
    read = FolderDataset.batch
    reads = []

    def interrupted(self: FolderDataset, indices: Any) -> Any:
        reads.append(len(indices))
        if sum(reads) > SAMPLES:
            raise KeyboardInterrupt
        return read(self, indices)

    monkeypatch.setattr(FolderDataset, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize(source, images)
    assert names(source.parent) == ["small.onnx", "small.onnx.manifest.json"]
    assert names(own_cache) == []


def test_imagenet_sized_images(model: onnx.ModelProto, images: Path, tmp_path: Path) -> None:
    """A float32 input of 96 pixels: batches become single, and the images are resized by the contract's rule."""
    info = replace(dataset_info("imagenet"), size=96, resize=110)
    contract = make_contract(info, dataset_info("cifar10").labels, "float32-nchw")
    del model.graph.node[:4]
    model.graph.node[0].input[0] = "images"
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", 1, ["batch", 3, 96, 96]))
    unused = {"scale", "offset"}
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in unused]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    result = quantize(publish_model(model, tmp_path / "large.onnx", contract=contract), images)
    assert result.manifest.precision.obtained == {"fp32": 1, "int8": 2}


def test_the_command(source: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", "--onnx", str(source), "--precision", "int8", "--calib-dataset", "folder"]
    given = ["--calib-data", str(images), "--calib-samples", "16", "--method", "minmax", "--json"]
    assert run([*arguments, *given]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.quantize/v1"
    assert document["manifest"]["calibration"]["method"] == "minmax"
    assert manifest_path(source.with_name("small_int8.onnx")).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "int8"], "needs real images"),
        (["--precision", "int8", "--calib-dataset", "synthetic", "--calib-data", "x"], "never calibrated on generated"),
        (["--precision", "fp16", "--calib-data", "x"], "--calib-data goes with --precision int8"),
        (["--precision", "int8", "--samples", "x"], "--samples goes with --precision fp16 or --calibration"),
    ],
)
def test_the_command_refuses(
    source: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", "--onnx", str(source), *arguments]) == 2
    assert message in capsys.readouterr().err
