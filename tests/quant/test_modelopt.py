"""ModelOpt as a back end: refused clearly where it is missing, and tried for real where it is installed."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import MissingError, UsageError
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.compute import types_by_node
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.lint import lint
from ran_deploy.quant.modelopt import _Reader, modelopt_int8
from ran_deploy.quant.subset import Subset, choose_subset, open_calibration_data
from tests.quant.small import publish_model

INSTALLED = importlib.util.find_spec("modelopt") is not None
INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)


@pytest.fixture
def subset(tmp_path: Path, make_images: Callable[..., Path]) -> Subset:
    """32 images."""
    return choose_subset(open_calibration_data("folder", make_images(tmp_path / "images"), CONTRACT), 32, seed=0)


def test_its_reader_gives_every_image_and_can_begin_again(subset: Subset) -> None:
    reader = _Reader(CONTRACT, subset)
    first = reader.get_first()["images"]
    for _ in range(2):
        found = []
        while (batch := reader.get_next()) is not None:
            found.append(batch["images"])
        assert sum(len(part) for part in found) == 32
        assert (found[0] == first).all()
        reader.rewind()


def test_a_method_that_it_lacks_is_refused(model: onnx.ModelProto, subset: Subset) -> None:
    with pytest.raises(UsageError, match="no calibration method 'percentile'"):
        modelopt_int8(model, CONTRACT, subset, method="percentile", high_precision="fp32", keep=frozenset())


@pytest.mark.skipif(INSTALLED, reason="nvidia-modelopt is installed")
def test_without_it_one_sentence(model: onnx.ModelProto, tmp_path: Path, subset: Subset) -> None:
    source = publish_model(model, tmp_path / "small.onnx")
    calibration = CalibrationOptions(dataset="folder", data=tmp_path / "images", samples=8)
    with pytest.raises(MissingError, match="modelopt") as caught:
        quantize_int8(source, calibration, backend="modelopt")
    assert "ran-deploy[modelopt]" in caught.value.fix


@pytest.mark.skipif(not INSTALLED, reason="nvidia-modelopt is not installed")
def test_it_quantizes(attention: onnx.ModelProto, subset: Subset) -> None:
    quantized = modelopt_int8(
        attention, CONTRACT, subset, method="minmax", high_precision="fp32", keep=frozenset({"classifier/Gemm"})
    )
    types = types_by_node(quantized)
    assert sum(kind == "int8" for kind in types.values()) > 50
    assert types["classifier/Gemm"] == "fp32"
    assert not [finding for finding in lint(quantized) if finding.severity == "error"]
