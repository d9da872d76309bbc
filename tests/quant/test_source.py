"""The ONNX file that a stage starts from: whole, ours, and described."""

from pathlib import Path

import onnx
import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.quant.source import float32_source, source_manifest
from tests.quant.small import publish_model


def test_a_published_file_is_read(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    assert source_manifest(path).precision.asked == "fp32"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        source_manifest(tmp_path / "none.onnx")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        source_manifest(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(IntegrityError, match="is empty"):
        source_manifest(tmp_path / "empty.onnx")


@pytest.mark.parametrize("name", ["small.onnx.manifest.json", "small.plan", "ship.jpg"])
def test_a_file_of_another_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match=r"ends in '\.[a-z]+'; an ONNX file is needed"):
        source_manifest(tmp_path / name)


def test_a_file_that_is_not_ours(model: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(UsageError, match="no manifest") as caught:
        source_manifest(tmp_path / "foreign.onnx")
    assert "ran-deploy export" in caught.value.fix


def test_a_result_under_another_kind_of_name(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        float32_source(path, tmp_path / "small.plan", "fp16")


def test_a_truncated_file(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="not the file that its manifest describes"):
        source_manifest(path)


def test_a_corrupt_manifest(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = publish_model(model, tmp_path / "small.onnx")
    manifest_path(path).write_text("{")
    with pytest.raises(IntegrityError, match="not valid JSON"):
        source_manifest(path)
