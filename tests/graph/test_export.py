"""``export_onnx`` as a whole: what vouches for the file, and that a wrong graph never gets a name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

import ran_deploy
from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.cli.app import run
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.manifest import manifest_path, verified_manifest
from ran_deploy.resources import shipped_weights
from tests.graph.conftest import INFO, Install, save_checkpoint


def scale_weight(model: onnx.ModelProto, factor: float, *, part: str = "stages.1.mask.head.3") -> onnx.ModelProto:
    """Plant a fault: multiply one weight tensor."""
    (tensor,) = [tensor for tensor in model.graph.initializer if part in tensor.name and len(tensor.dims) > 1]
    values = (numpy_helper.to_array(tensor) * factor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


def make_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_the_manifest(exported: Path, checkpoint: Path) -> None:
    manifest = verified_manifest(exported)
    assert manifest is not None
    assert (manifest.kind, manifest.arch, manifest.dataset, manifest.weights) == ("onnx", "att56", "cifar10", "trained")
    assert manifest.parents[0].sha256 == sha256_file(checkpoint)
    assert manifest.contract.labels == INFO.labels
    assert manifest.contract.input.shape == (-1, 32, 32, 3)
    assert manifest.contract.preprocessing.mean == INFO.mean
    assert manifest.options == {"t": 1, "mask_depths": [2, 2, 1]}
    assert (manifest.precision.asked, set(manifest.precision.obtained)) == ("fp32", {"fp32"})
    assert {"ran-deploy", "torch", "onnx", "onnxscript", "onnxruntime"} <= manifest.versions.keys()
    parity = manifest.parity
    assert parity is not None
    assert (parity["images"], parity["source"], parity["batches"]) == (40, "generated", [1, 2, 5, 32])
    assert parity["max_abs"] <= parity["atol"] == 1e-4
    assert (parity["top1_agreement"], parity["flips"], parity["not_finite"]) == (1.0, 0, 0)


def test_the_command_makes_the_same_bytes_in_another_process(exported: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["export", "--arch", "att56", "--checkpoint", str(checkpoint), "--out", "again.onnx", "--json"]
    root = Path(ran_deploy.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "ran_deploy", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), "the exporter's own chatter is not ours"
    document = json.loads(done.stdout)
    assert (document["schema"], document["path"], document["reused"]) == ("ran-deploy.export/v1", "again.onnx", False)
    assert document["manifest"]["sha256"] == sha256_file(exported)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.onnx", "again.onnx.manifest.json"]


def test_nothing_is_done_twice(exported: Path, checkpoint: Path, tmp_path: Path, exporter_returns: Install) -> None:
    copy = tmp_path / exported.name
    shutil.copy(exported, copy)
    shutil.copy(manifest_path(exported), manifest_path(copy))
    before = copy.stat().st_mtime_ns
    result = export_onnx("att56", checkpoint=checkpoint, out=copy)
    assert (result.reused, result.parity["images"]) == (True, 40)
    assert copy.stat().st_mtime_ns == before
    assert not export_onnx("att56", checkpoint=checkpoint, out=copy, atol=1e-3).reused, "another gate was asked for"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert not export_onnx("att56", checkpoint=checkpoint, out=copy, atol=1e-3).reused, "the file was damaged"
    assert copy.read_bytes() == exported.read_bytes()


def test_a_planted_fault_is_caught_and_nothing_gets_the_name(
    checkpoint: Path, tmp_path: Path, model: onnx.ModelProto, exporter_returns: Install
) -> None:
    exporter_returns(scale_weight(model, 1.01))
    with pytest.raises(GateError, match="no file was written") as caught:
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx")
    assert caught.value.exit_code == 3
    assert caught.value.details["max_abs"] > caught.value.details["atol"] == 1e-4
    json.dumps(caught.value.details, allow_nan=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_gate_leaves_an_older_file_as_it_was(
    checkpoint: Path, tmp_path: Path, model: onnx.ModelProto, exporter_returns: Install
) -> None:
    out = tmp_path / "x.onnx"
    export_onnx("att56", checkpoint=checkpoint, out=out, atol=1e-3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    exporter_returns(scale_weight(model, 1.5))
    with pytest.raises(GateError):
        export_onnx("att56", checkpoint=checkpoint, out=out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_swapped_classes_are_seen_as_flips(
    checkpoint: Path, tmp_path: Path, model: onnx.ModelProto, exporter_returns: Install
) -> None:
    exporter_returns(scale_weight(model, -1.0, part="classifier"))
    with pytest.raises(GateError, match="classes flip") as caught:
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx")
    details = caught.value.details
    assert details["flips"] == 40 - round(40 * details["top1_agreement"]) > 0
    assert details["largest_flip_margin"] >= max(flip["margin"] for flip in details["first_flips"]) > 2e-4


def test_weights_that_are_not_numbers_do_not_pass(
    tmp_path: Path, checkpoint: Path, model: onnx.ModelProto, exporter_returns: Install
) -> None:
    exporter_returns(scale_weight(model, float("nan"), part="classifier"))
    network = load_checkpoint(checkpoint)[0]
    with torch.no_grad():
        network.get_parameter("classifier.weight")[:] = float("nan")
    broken = save_checkpoint(tmp_path / "broken.safetensors", network)
    out = tmp_path / "out" / "x.onnx"
    with pytest.raises(GateError, match="40 answers are not finite") as caught:
        export_onnx("att56", checkpoint=broken, out=out)
    json.dumps(caught.value.details, allow_nan=False)
    assert not list(out.parent.iterdir())


def test_samples_are_used(checkpoint: Path, tmp_path: Path, exporter_returns: Install) -> None:
    samples = make_images(tmp_path / "samples", 3)
    result = export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx", samples=samples)
    assert (result.parity["source"], result.parity["images"]) == ("images", 3)
    (samples / "1.png").unlink()
    again = export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx", samples=samples)
    assert (again.reused, again.parity["images"]) == (False, 2)


def test_samples_that_cannot_be_used(checkpoint: Path, tmp_path: Path, exporter_returns: Install) -> None:
    out = tmp_path / "out" / "x.onnx"
    samples = make_images(tmp_path / "samples", 2)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="does not exist"):
        export_onnx("att56", checkpoint=checkpoint, out=out, samples=tmp_path / "missing")
    with pytest.raises(UsageError, match="No image was found"):
        export_onnx("att56", checkpoint=checkpoint, out=out, samples=tmp_path / "nothing")
    (samples / "1.png").write_bytes((samples / "1.png").read_bytes()[:100])
    with pytest.raises(IntegrityError, match=r"1\.png"):
        export_onnx("att56", checkpoint=checkpoint, out=out, samples=samples)
    assert not list(out.parent.iterdir())


def test_the_default_name_is_in_the_current_folder(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exporter_returns: Install
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_onnx("att56", checkpoint=checkpoint).path == Path("att56.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["att56.onnx", "att56.onnx.manifest.json"]
    assert default_name("att92", "imagenet") == "att92_imagenet.onnx"


@pytest.mark.parametrize("name", ["x.plan", "x", "x.safetensors"])
def test_a_name_that_says_something_else_is_refused(checkpoint: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / name)


def test_the_checkpoint_is_never_overwritten(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export_onnx("att56", checkpoint=checkpoint, out=checkpoint)
    assert checkpoint.read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="cannot be written"):
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "file" / "x.onnx")


def test_a_folder_in_the_place_of_the_file(checkpoint: Path, tmp_path: Path, exporter_returns: Install) -> None:
    out = tmp_path / "x.onnx"
    out.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        export_onnx("att56", checkpoint=checkpoint, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


@pytest.mark.parametrize("atol", [0.0, -1e-4, float("nan"), float("inf")])
def test_a_tolerance_that_is_none(checkpoint: Path, tmp_path: Path, atol: float) -> None:
    with pytest.raises(UsageError, match="atol is"):
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx", atol=atol)


def test_an_unknown_kind_of_input(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected uint8 or float32-nchw"):
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx", input_kind="int8")  # type: ignore[arg-type]


def test_an_interrupt_leaves_nothing(
    checkpoint: Path, tmp_path: Path, exporter_returns: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Path, _: bytes) -> None:
        self.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_imagenet_layout_exports(tmp_path: Path) -> None:
    result = export_onnx("att92", dataset="imagenet", random_weights=True, out=tmp_path / "x.onnx")
    assert result.manifest.contract.preprocessing.resize == 256
    assert result.manifest.contract.output.shape == (-1, 1000)
    assert result.parity["max_abs"] <= 1e-4


@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="needs real images: set RAN_DEPLOY_DATA")
def test_parity_on_a_thousand_real_images(tmp_path: Path) -> None:
    samples = Path(os.environ["RAN_DEPLOY_DATA"]) / "tiny-imagenet-200" / "val" / "images"
    if not samples.is_dir():
        pytest.skip("RAN_DEPLOY_DATA holds no tiny-imagenet-200")
    if shipped_weights("att92", "cifar10") is None:
        pytest.skip("no weights of att92 ship")
    result = export_onnx("att92", out=tmp_path / "x.onnx", samples=samples)
    assert result.parity["images"] == 1000
    assert result.parity["max_abs"] <= 1e-4
    assert result.parity["top1_agreement"] == 1.0


def test_the_command_tells_a_person(exported: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--arch", "att56", "--checkpoint", str(checkpoint), "--out", str(exported)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{exported}  {exported.stat().st_size / 1e6:.1f} MB\n")
    assert "torch → ONNX Runtime, 40 generated images: max abs" in captured.out
    assert f"ran-deploy quantize --onnx {exported}" in captured.out
    assert captured.err == "nothing to do: the file was made from the same weights, options and versions\n"


def test_the_command_reports_a_failed_gate(
    checkpoint: Path,
    tmp_path: Path,
    model: onnx.ModelProto,
    exporter_returns: Install,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exporter_returns(scale_weight(model, 1.01))
    out = str(tmp_path / "x.onnx")
    assert run(["export", "--arch", "att56", "--checkpoint", str(checkpoint), "--out", out, "--json"]) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["details"]["max_abs"] > error["details"]["atol"]
    assert list(tmp_path.iterdir()) == []
