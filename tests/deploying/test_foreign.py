"""What an ONNX file of somebody else needs to be told, and what it becomes."""

from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.data.catalog import dataset_info
from ran_deploy.deploying.foreign import publish_foreign, read_foreign
from ran_deploy.deploying.options import DeployOptions
from ran_deploy.deploying.plan import make_context
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC, verified_manifest
from tests.deploying.foreign_graphs import CLASSES, SIZE, token_classifier, write
from tests.quant.small import publish_model, small_model

NAMES = tuple(f"thing {index}" for index in range(CLASSES))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(token_classifier(), tmp_path_factory.mktemp("foreign") / "vit.onnx")


def test_a_dataset_gives_labels_and_preprocessing(model: Path, tmp_path: Path) -> None:
    out, request = tmp_path / "vit.onnx", DeployRequest(onnx=model, dataset="synthetic")
    foreign = read_foreign(request, out)
    manifest = publish_foreign(foreign, out)
    assert verified_manifest(out) == manifest
    contract, info = manifest.contract, dataset_info("synthetic")
    assert contract.labels == info.labels
    assert (contract.preprocessing.mean, contract.preprocessing.std) == (info.mean, info.std)
    assert (contract.input.name, contract.input.shape) == ("input.1", (DYNAMIC, 3, SIZE, SIZE))
    assert contract.output.shape == (DYNAMIC, CLASSES)
    assert manifest.parents[0].sha256 == foreign.sha256
    assert manifest.precision.obtained == {"fp32": 3}
    again = read_foreign(request, out)
    assert again.adapted is None  # it is there
    assert again.manifest == manifest
    assert read_foreign(replace(request, dataset="cifar10"), out).adapted is not None  # but not for other labels


def test_facts_can_be_given(model: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES) + "\n\n")
    request = DeployRequest(onnx=model, labels=labels, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 0.5), resize=40)
    contract = read_foreign(request, tmp_path / "vit.onnx").manifest.contract
    assert contract.labels == NAMES
    assert (contract.preprocessing.mean, contract.preprocessing.resize) == ((0.1, 0.2, 0.3), 40)


def test_data_without_a_name_is_a_folder_of_classes(model: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    request = DeployRequest(onnx=model, labels=labels, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0), data=tmp_path)
    options = DeployOptions(precisions=("fp32",), runtimes=("onnxruntime",))
    context = make_context(tmp_path / "out", request, options)
    assert (context.dataset, context.request.dataset) == ("folder", "folder")
    assert make_context(tmp_path / "out", replace(request, data=None), options).dataset is None


def test_what_is_missing_is_asked_for(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say how its images are normalized") as caught:
        read_foreign(DeployRequest(onnx=model), tmp_path / "vit.onnx")
    assert "--mean" in caught.value.fix
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\n")
    with pytest.raises(UsageError, match=r"has 10 classes; .*labels.txt has 2 labels"):
        read_foreign(DeployRequest(onnx=model, dataset="synthetic", labels=labels), tmp_path / "vit.onnx")
    with pytest.raises(UsageError, match="takes images of 32 pixels; those of imagenet have 224") as caught:
        read_foreign(DeployRequest(onnx=model, dataset="imagenet"), tmp_path / "vit.onnx")
    assert "--dataset folder" in caught.value.fix


def test_our_own_files_bring_their_manifest(tmp_path: Path) -> None:
    source = publish_model(small_model(), tmp_path / "small.onnx")
    request, out = DeployRequest(onnx=source, dataset="synthetic"), tmp_path / "out" / "small.onnx"
    out.parent.mkdir()
    manifest = publish_foreign(read_foreign(request, out), out)
    known = verified_manifest(source)
    assert known is not None
    assert manifest.contract == known.contract
    assert manifest.sha256 == known.sha256
    with pytest.raises(UsageError, match="--resize was given, but"):
        read_foreign(replace(request, resize=40), tmp_path / "other.onnx")


def test_files_that_are_not_there_or_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.onnx does not exist"):
        read_foreign(DeployRequest(onnx=tmp_path / "none.onnx", dataset="synthetic"), tmp_path / "out.onnx")
