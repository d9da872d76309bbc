"""The float16 stage: convert, prove, publish; refuse what cannot be trusted."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.manifest import Precision, manifest_path, verified_manifest
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.quantize import quantize_fp16
from tests.quant.small import publish_model


def set_weight(model: onnx.ModelProto, name: str, value: float) -> None:
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(np.full(tuple(tensor.dims), value, np.float32), name))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_float16_file_with_its_proof(model: onnx.ModelProto, tmp_path: Path) -> None:
    source = publish_model(model, tmp_path / "small.onnx")
    result = quantize_fp16(source)
    assert result.path == tmp_path / "small_fp16.onnx"
    manifest = verified_manifest(result.path)
    assert manifest == result.manifest
    assert manifest is not None
    assert manifest.precision == Precision(asked="fp16", obtained={"fp16": 3})
    assert manifest.parents[0].name == "small.onnx"
    assert result.parity["source"] == "generated"
    assert result.parity["top1_agreement"] == 1
    assert result.parity["sqnr_db"] > 50


def test_an_unchanged_file_is_used_again(model: onnx.ModelProto, tmp_path: Path) -> None:
    source = publish_model(model, tmp_path / "small.onnx")
    assert not quantize_fp16(source).reused
    assert quantize_fp16(source).reused
    Image.new("RGB", (32, 32), (200, 10, 10)).save(tmp_path / "red.png")
    again = quantize_fp16(source, samples=tmp_path)
    assert (again.reused, again.parity["source"], again.parity["images"]) == (False, "images", 1)


def test_out_of_range_nodes_stay_in_float32_and_are_named(hot: onnx.ModelProto, tmp_path: Path) -> None:
    result = quantize_fp16(publish_model(hot, tmp_path / "hot.onnx"))
    precision = result.manifest.precision
    assert precision.kept == ("stem", "bn")
    assert precision.obtained == {"fp16": 2, "fp32": 1}
    assert result.parity["sqnr_db"] > 50
    assert result.parity["largest_kept"] > 65504


def test_a_plain_conversion_of_that_model_is_wrong(hot: onnx.ModelProto, tmp_path: Path) -> None:
    """Without the range check the same model overflows: the check is what makes it right."""
    source = publish_model(hot, tmp_path / "hot.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ran_deploy.quant.quantize.out_of_range", lambda *_: {})
        with pytest.raises(GateError):
            quantize_fp16(source)
    assert names(tmp_path) == ["hot.onnx", "hot.onnx.manifest.json"]


def test_a_model_that_is_not_finite_itself_is_refused(model: onnx.ModelProto, tmp_path: Path) -> None:
    set_weight(model, "fc_b", np.inf)
    with pytest.raises(GateError, match=r"64 of 64 images"):
        quantize_fp16(publish_model(model, tmp_path / "small.onnx"))


def test_answers_that_differ_are_refused(model: onnx.ModelProto, tmp_path: Path) -> None:
    set_weight(model, "fc_w", 1e-8)  # vanishes in float16
    set_weight(model, "fc_b", 0)
    with pytest.raises(GateError, match="disagrees") as caught:
        quantize_fp16(publish_model(model, tmp_path / "small.onnx"))
    assert caught.value.details["sqnr_db"] < 30
    assert names(tmp_path) == ["small.onnx", "small.onnx.manifest.json"]


def test_vanishing_weights_are_on_record(model: onnx.ModelProto, tmp_path: Path) -> None:
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == "fc_w"]
    value = numpy_helper.to_array(tensor).copy()
    value[0, 0] = 1e-9
    tensor.CopyFrom(numpy_helper.from_array(value, "fc_w"))
    assert quantize_fp16(publish_model(model, tmp_path / "small.onnx")).parity["weights_underflowing"] == 1


def test_float16_given_is_refused(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(to_fp16(model), tmp_path / "half.onnx", Precision(asked="fp16"))
    with pytest.raises(UsageError, match="fp16 already"):
        quantize_fp16(path)


def test_out_may_not_be_the_source(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    with pytest.raises(UsageError, match="itself"):
        quantize_fp16(path, out=tmp_path / "." / "small.onnx")


def test_a_file_without_manifest_is_refused(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    manifest_path(path).unlink()
    with pytest.raises(UsageError, match="no manifest"):
        quantize_fp16(path)


def test_a_damaged_image_stops_it(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(IntegrityError, match=r"bad\.png"):
        quantize_fp16(path, samples=tmp_path)
    assert not (tmp_path / "small_fp16.onnx").exists()
