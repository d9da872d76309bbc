"""Ranges that travel: the same model from the file as from the images, and nothing from a file that does not fit."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from ran_deploy.cli.app import run
from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_bytes, sha256_file
from ran_deploy.manifest import Parent, TensorSpec, manifest_path, read_manifest
from ran_deploy.quant import int8_gate
from ran_deploy.quant.calibrate import Ranges
from ran_deploy.quant.calibration import require_shipped
from ran_deploy.quant.calibration_file import CalibrationImages, read_calibration_file, save_calibration_file
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.quantize import QuantizeResult
from ran_deploy.quant.ranges import float_values
from ran_deploy.resources import shipped_weights
from ran_deploy.runtime.open import open_engine
from tests.quant.small import publish_model, small_model

CHECKPOINT = Parent(role="checkpoint", name="small.safetensors", sha256="5" * 64)


@pytest.fixture(autouse=True)
def judged_by_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """By SQNR alone: the small network's weights are random, and its near ties fall differently on each CPU."""
    monkeypatch.setattr(int8_gate, "LEAST_AGREEMENT", 0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A float32 file that was made from a checkpoint."""
    return publish_model(small_model(), tmp_path / "small.onnx", parents=(CHECKPOINT,))


@pytest.fixture
def images(tmp_path: Path, make_images: Callable[..., Path]) -> Path:
    """32 images of four classes."""
    return make_images(tmp_path / "images")


@pytest.fixture
def by_images(source: Path, images: Path) -> QuantizeResult:
    """The model quantized on images, and its ranges saved as ranges.json."""
    calibration = CalibrationOptions(
        dataset="folder", data=images, samples=8, seed=3, method="minmax", save=source.with_name("ranges.json")
    )
    return quantize_int8(source, calibration)


@pytest.fixture
def file(by_images: QuantizeResult) -> Path:
    """The calibration file."""
    return by_images.path.with_name("ranges.json")


def by_file(source: Path, file: Path, **options: Any) -> QuantizeResult:
    out = source.with_name("by_file.onnx")
    return quantize_int8(source, CalibrationOptions(file=file, try_on=options.pop("try_on", None)), out=out, **options)


def sign(document: dict[str, Any]) -> str:
    """Return a document as text, with the digest that belongs to its content."""
    unsigned = {**document, "content_sha256": ""}
    signed = {**document, "content_sha256": sha256_bytes(json.dumps(unsigned, sort_keys=True).encode())}
    return json.dumps(signed)


def test_the_file_says_what_was_observed(source: Path, file: Path, by_images: QuantizeResult) -> None:
    content, record = read_calibration_file(file), by_images.manifest.calibration
    assert record is not None
    assert content.checkpoint == CHECKPOINT
    assert (content.dataset, content.onnx_sha256) == ("cifar10", sha256_file(source))
    assert (content.images.dataset, content.images.split, content.images.count) == ("folder", "train", 8)
    assert (content.images.seed, content.method) == (3, {"method": "minmax"})
    assert list(content.images.images_sha256) == record["images_sha256"]
    assert set(content.amax) == {"add", "relu", "sigmoid"}
    assert set(content.versions) == {"ran-deploy", "numpy", "onnx", "onnxruntime"}


def test_the_file_makes_the_same_model_as_the_images(source: Path, file: Path, by_images: QuantizeResult) -> None:
    result = by_file(source, file)
    assert result.manifest.sha256 == by_images.manifest.sha256
    assert result.manifest.parents[1] == Parent(role="calibration", name="ranges.json", sha256=sha256_file(file))
    record = result.manifest.calibration
    assert record is not None
    assert (record["source"], record["file"], record["file_sha256"]) == (
        "calibration file",
        "ranges.json",
        sha256_file(file),
    )
    assert (record["dataset"], record["count"], record["seed"], record["method"]) == ("folder", 8, 3, "minmax")
    assert record["checkpoint_sha256"] == CHECKPOINT.sha256
    assert (result.parity["source"], result.parity["images"]) == ("generated", 64)
    assert by_file(source, file).reused


def test_it_is_tried_on_images_where_they_are_given(source: Path, file: Path, images: Path) -> None:
    result = by_file(source, file, try_on=images / "class0")
    assert (result.parity["source"], result.parity["images"]) == ("images", 8)


def test_saving_is_not_skipped_where_the_model_is_there_already(source: Path, file: Path, images: Path) -> None:
    before = file.read_bytes()
    file.unlink()
    calibration = CalibrationOptions(dataset="folder", data=images, samples=8, seed=3, method="minmax", save=file)
    assert quantize_int8(source, calibration).reused
    assert file.read_bytes() == before


def test_values_that_the_exporter_numbers_anew_are_found(
    source: Path, file: Path, by_images: QuantizeResult, tmp_path: Path
) -> None:
    renamed = onnx.load(source)
    for node in renamed.graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                if name in ("relu", "stem", "mask", "normal"):
                    field[index] = f"{name}_{7 * len(name)}"
    other = publish_model(renamed, tmp_path / "renamed.onnx", parents=(CHECKPOINT,))
    again = by_file(other, file)
    scales = [_scales(path) for path in (again.path, by_images.path)]
    assert scales[0] == scales[1]
    assert len(scales[0]) > 3


def _scales(path: Path) -> list[float]:
    model = onnx.load(path)
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    used = [node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return sorted(float(tensors[name]) for name in used if tensors[name].ndim == 0)


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ((replace(CHECKPOINT, sha256="6" * 64),), r"of small\.safetensors \(555555555555…\); .* made from small"),
        ((), "made from no checkpoint"),
    ],
)
def test_the_ranges_of_other_weights_are_refused(
    parents: tuple[Parent, ...], message: str, file: Path, tmp_path: Path
) -> None:
    other = publish_model(small_model(), tmp_path / "other.onnx", parents=parents)
    with pytest.raises(UsageError, match=message) as caught:
        by_file(other, file)
    assert "--calib-data DIR" in caught.value.fix
    assert not (tmp_path / "by_file.onnx").exists()


def test_other_activations_are_refused(source: Path, file: Path) -> None:
    with pytest.raises(UsageError, match=r"other activations than the model's; 1 differ, such as flatten"):
        by_file(source, file, classifier=True)


def test_another_graph_is_refused(file: Path, tmp_path: Path) -> None:
    model = small_model()
    model.graph.node[7].name = "other_pool"
    other = publish_model(model, tmp_path / "other.onnx", parents=(CHECKPOINT,))
    with pytest.raises(UsageError, match=r"other \w+ than the model's; 2 differ"):
        by_file(other, file)


def test_masks_among_the_outputs_need_no_range(source: Path, file: Path, tmp_path: Path) -> None:
    model = small_model()
    axes = onnx.numpy_helper.from_array(np.array([1]), "channels")
    model.graph.initializer.append(axes)
    model.graph.node.append(
        onnx.helper.make_node("ReduceMean", ["soft", "channels"], ["mask_stage1_1"], name="masks", keepdims=0)
    )
    sides: list[str | int] = ["batch", 32, 32]
    model.graph.output.append(onnx.helper.make_tensor_value_info("mask_stage1_1", onnx.TensorProto.FLOAT, sides))
    mask = TensorSpec(name="mask_stage1_1", dtype="float32", shape=(-1, 32, 32), layout="NHW")
    contract = replace(make_contract(dataset_info("cifar10"), dataset_info("cifar10").labels), masks=(mask,))
    masked = publish_model(model, tmp_path / "masked.onnx", contract=contract, parents=(CHECKPOINT,))
    images = generated_images(2, 32)
    with open_engine(by_file(masked, file).path) as session, open_engine(masked) as full:
        _, found = session.run_with_masks(images)
        _, expected = full.run_with_masks(images)
    assert np.allclose(found["mask_stage1_1"], expected["mask_stage1_1"], atol=0.05)


def test_other_preprocessing_is_refused(file: Path, tmp_path: Path) -> None:
    contract = make_contract(replace(dataset_info("cifar10"), mean=(0.5, 0.5, 0.5)), dataset_info("cifar10").labels)
    other = publish_model(small_model(), tmp_path / "other.onnx", contract=contract, parents=(CHECKPOINT,))
    with pytest.raises(UsageError, match="other preprocessing"):
        by_file(other, file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "is empty"),
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: "[]", "a table was expected"),
        (lambda text: text.replace("calibration/v1", "calibration/v2"), "calibration/v2"),
        (lambda text: text.replace('"seed": 3', '"seed": 4'), "not what its digest says"),
        (lambda text: text.replace('"seed": 3', '"seed": "3"'), "expected a whole number"),
        (lambda text: text.replace('"amax"', '"amix"'), "'amix' is not a known key"),
        (lambda text: sign(json.loads(text) | {"method": {"method": "guess"}}), "the method is 'guess'"),
        (lambda text: sign(json.loads(text) | {"maxima": {}}), "larger than the largest"),
        (lambda text: sign(json.loads(text) | {"amax": {"relu": -1.0}}), "negative"),
        (lambda text: sign(json.loads(text) | {"amax": {"relu": float("nan")}}), "not a number"),
        (
            lambda text: sign(json.loads(text) | {"images": json.loads(text)["images"] | {"images_sha256": []}}),
            "not those of the set's digest",
        ),
        (lambda text: json.dumps(json.loads(text) | {"content_sha256": ""}), "lacks the digest"),
    ],
)
def test_a_damaged_file_is_refused(damage: Callable[[str], str], message: str, source: Path, tmp_path: Path) -> None:
    file, model, manifest = tmp_path / "ranges.json", prepare(small_model()), read_manifest(source)
    assert manifest is not None
    save_calibration_file(
        file,
        model=model,
        source=manifest,
        images=CalibrationImages(
            dataset="folder",
            split="train",
            count=1,
            seed=3,
            set_sha256=sha256_bytes(b"1" * 64),
            images_sha256=("1" * 64,),
        ),
        method={"method": "minmax"},
        ranges=Ranges(maxima=dict.fromkeys(float_values(model), 2.0), amax={"relu": 1.5}),
        versions={},
    )
    assert read_calibration_file(file).amax == {"relu": 1.5}
    changed = damage(file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    with pytest.raises(IntegrityError, match=message):
        read_calibration_file(file)


def test_a_file_is_not_saved_for_a_model_without_a_checkpoint(images: Path, tmp_path: Path) -> None:
    random = publish_model(small_model(), tmp_path / "random.onnx")
    calibration = CalibrationOptions(dataset="folder", data=images, samples=8, save=tmp_path / "ranges.json")
    with pytest.raises(UsageError, match="not made from a checkpoint"):
        quantize_int8(random, calibration)
    assert not (tmp_path / "random_int8.onnx").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": "x.json", "data": Path("x")}, "--calib-data goes with a calibration on images"),
        ({"file": "x.json", "dataset": "folder"}, "--calib-dataset goes"),
        ({"file": "x.json", "samples": 512}, "--calib-samples goes"),
        ({"file": "x.json", "seed": 0}, "--seed goes"),
        ({"file": "x.json", "method": "minmax"}, "--method goes"),
        ({"file": "x.json", "save": Path("y.json")}, "--save-calibration goes"),
        ({"data": Path("x"), "try_on": Path("y")}, "--samples goes with"),
        ({"data": Path("x"), "save": Path("att92.onnx")}, r"must end in \.json"),
    ],
)
def test_what_would_be_ignored_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CalibrationOptions(**options)


def test_modelopt_neither_takes_nor_gives_a_file(source: Path) -> None:
    with pytest.raises(UsageError, match="ModelOpt observes ranges by itself"):
        quantize_int8(source, CalibrationOptions(file="x.json"), backend="modelopt")


def test_without_images_the_shipped_file_is_proposed_where_there_is_one(source: Path) -> None:
    manifest = read_manifest(source)
    assert manifest is not None
    with pytest.raises(UsageError, match="needs real images") as caught:
        CalibrationOptions().open(replace(manifest, arch="att92"), "minmax")
    assert "--calibration shipped" in caught.value.fix
    with pytest.raises(UsageError, match="needs real images") as caught:
        CalibrationOptions().open(manifest, "minmax")
    assert "shipped" not in caught.value.fix


def test_where_nothing_ships_it_says_so() -> None:
    with pytest.raises(UsageError, match="No calibration ships for att452 on cifar10"):
        require_shipped("att452", "cifar10")


def test_the_shipped_file_is_whole_and_belongs_to_the_shipped_weights() -> None:
    content, weights = read_calibration_file(require_shipped("att92", "cifar10")), shipped_weights("att92", "cifar10")
    assert weights is not None
    assert content.checkpoint.sha256 == sha256_file(weights)
    assert (content.images.dataset, content.images.split, content.images.count) == ("cifar10", "train", 512)


def test_the_commands(source: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved, command = str(tmp_path / "saved.json"), ["quantize", "--onnx", str(source), "--precision", "int8"]
    on_images = ["--calib-dataset", "folder", "--calib-data", str(images), "--calib-samples", "8"]
    assert run([*command, *on_images, "--save-calibration", saved]) == 0
    assert "percentile on 8 training images of folder" in capsys.readouterr().out
    assert run([*command, "--calibration", saved, "--samples", str(images), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parity"]["source"] == "images"
    assert document["manifest"] == to_mapping(read_manifest(source.with_name("small_int8.onnx")))
    assert run([*command, "--calibration", saved]) == 0
    assert "from saved.json, percentile on 8 training images of folder" in capsys.readouterr().out
    assert run([*command, "--calibration", saved, "--auto"]) == 2
    assert "neither takes nor gives" in capsys.readouterr().err
    assert run([*command, "--calibration", str(tmp_path / "none.json")]) == 2
    assert run([*command, "--calibration", str(manifest_path(source))]) == 5
    assert run([*command, "--calibration", "shipped"]) == 2
    assert run([*command, "--calibration", saved, *on_images]) == 2
