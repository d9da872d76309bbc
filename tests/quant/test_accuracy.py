"""The accuracy gate of the conversions, on labels that the float32 model itself gave."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.errors import GateError, UsageError
from ran_deploy.manifest import verified_manifest
from ran_deploy.quant import accuracy
from ran_deploy.quant.accuracy import Evaluation, prove_accuracy
from ran_deploy.quant.quantize import quantize_fp16
from ran_deploy.runtime.ort_session import OrtSession
from tests.quant.small import publish_model, small_model

INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)


@pytest.fixture
def solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArrayDataset:
    """Images whose labels are what the small model answers, so that it is right on all of them."""
    images = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    onnx.save(small_model(), tmp_path / "reference.onnx")
    with OrtSession(tmp_path / "reference.onnx", CONTRACT) as session:
        targets = session.run(images).argmax(axis=1).astype(np.int64)
    dataset = ArrayDataset(INFO, "test", INFO.labels, images, targets)
    monkeypatch.setattr(accuracy, "open_dataset", lambda *_: dataset)
    return dataset


def damaged(answer: int) -> onnx.ModelProto:
    """The small model with a bias that makes it answer one class for everything."""
    model = small_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc_b")
    values = numpy_helper.to_array(bias).copy()
    values[answer] += 1000
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    return model


@pytest.mark.usefixtures("solved")
def test_a_faithful_model_passes_and_is_recorded(tmp_path: Path) -> None:
    source = publish_model(small_model(), tmp_path / "a.onnx")
    result = quantize_fp16(source, evaluation=Evaluation(data=tmp_path, max_drop=2.0))
    manifest = verified_manifest(result.path)
    assert manifest is not None
    assert manifest.accuracy is not None
    assert (manifest.accuracy["dataset"], manifest.accuracy["samples"]) == ("cifar10", 200)
    assert manifest.accuracy["reference_top1"] == 100
    assert manifest.accuracy["gate"]["passed"]


def test_a_model_that_loses_too_much_is_refused_by_name(tmp_path: Path, solved: ArrayDataset) -> None:
    rarest = int(np.bincount(solved.targets, minlength=10).argmin())
    manifest = verified_manifest(publish_model(small_model(), tmp_path / "a.onnx"))
    assert manifest is not None
    with pytest.raises(GateError, match="The int8 model is too inaccurate against the float32 model"):
        prove_accuracy(small_model(), damaged(rarest), manifest, "int8", Evaluation(data=tmp_path))
    assert prove_accuracy(small_model(), damaged(rarest), manifest, "int8", None) is None


@pytest.mark.usefixtures("solved")
def test_another_gate_is_another_stage(tmp_path: Path) -> None:
    source = publish_model(small_model(), tmp_path / "a.onnx")
    assert not quantize_fp16(source).reused
    assert not quantize_fp16(source, evaluation=Evaluation(data=tmp_path, max_drop=2.0)).reused
    assert quantize_fp16(source, evaluation=Evaluation(data=tmp_path, max_drop=2.0)).reused


def test_values_out_of_range() -> None:
    with pytest.raises(UsageError, match="limit of evaluated images is 0"):
        Evaluation(data=None, limit=0)
    with pytest.raises(UsageError, match="--max-drop is -1"):
        Evaluation(data=None, max_drop=-1)
    assert dataclasses.replace(Evaluation(data=None), limit=5).limit == 5
