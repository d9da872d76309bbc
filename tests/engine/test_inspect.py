"""What inspect says of each kind of file, sound and damaged, with and without a manifest."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import typer
from safetensors.numpy import save_file

from ran_deploy.arch.checkpoint import CheckpointInfo, save_weights
from ran_deploy.arch.count import count_macs, count_parameters
from ran_deploy.arch.registry import create_model
from ran_deploy.cli.inspect import inspect_command, report_lines
from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.engine.inspect import inspect_file
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_file, write_bytes
from ran_deploy.manifest import BatchProfile, Build, Manifest, Parent, Precision, manifest_path, publish
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.runtime.gate import Gate
from ran_deploy.runtime.paired import compare_predictions
from tests.quant.qdq_graphs import Graph, sound
from tests.quant.small import publish_model, small_model

HEADER = b"ptrt" + bytes(20) + bytes([1, 7, 1, 116]) + bytes(4) + bytes([8]) + bytes(31)


def text_of(path: Path, *, lint: bool = False) -> str:
    lines = report_lines(inspect_file(path, lint=lint))
    assert all(len(line) <= 110 for line in lines[1:])
    assert len(lines) <= 40
    return "\n".join(lines)


def int8_model() -> onnx.ModelProto:
    model = sound()
    onnx.checker.check_model(shaped(model))
    return shaped(model)


def shaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the output of a graph made by hand the shape that a valid model states."""
    output = onnx.helper.make_tensor_value_info(model.graph.output[0].name, onnx.TensorProto.FLOAT, ["N", 10])
    model.graph.output[0].CopyFrom(output)
    return model


def test_a_float_model(tmp_path: Path) -> None:
    path = publish_model(small_model(), tmp_path / "small.onnx")
    report = inspect_file(path)
    assert (report.kind, report.size_bytes, report.sha256) == ("onnx", path.stat().st_size, sha256_file(path))
    assert report.matches_manifest is True
    assert report.onnx is not None
    assert report.onnx.compute == {"Conv": {"fp32": 2}, "Gemm": {"fp32": 1}}
    assert report.onnx.operators["Conv"] == 2
    # Convolutions, BN, classifier, and six numbers of the normalization, as well as the four scales of Resize.
    assert report.onnx.parameters == 8 * 3 * 9 + 4 * 8 + 8 * 8 + 8 * 10 + 10 + 6 + 4
    # The stem at 32 × 32, the mask at 16 × 16, and the classifier; for one image.
    assert report.onnx.macs == 32 * 32 * 8 * 27 + 16 * 16 * 8 * 8 + 8 * 10
    assert [(value.name, value.dtype, value.shape) for value in report.onnx.inputs] == [
        ("images", "uint8", ("batch", 32, 32, 3))
    ]
    assert report.findings is None
    text = text_of(path)
    assert "as its manifest says" in text
    assert "input        images  uint8 [batch × 32 × 32 × 3]" in text
    assert "opset 20" in text
    assert f"{report.onnx.parameters} stored weights, 237,648 multiply-adds per image" in text
    assert "compute      Conv: 2 fp32 · Gemm: 1 fp32" in text


def test_work_of_unknown_size_is_not_counted(tmp_path: Path) -> None:
    model = small_model()
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    path = publish_model(model, tmp_path / "any_height.onnx")
    report = inspect_file(path)
    assert report.onnx is not None
    assert report.onnx.macs is None
    assert "multiply-adds not counted" in text_of(path)


def test_a_mixed_float16_model(tmp_path: Path) -> None:
    path = publish_model(to_fp16(small_model(), keep=frozenset({"mask"})), tmp_path / "half.onnx")
    report = inspect_file(path)
    assert report.onnx is not None
    assert report.onnx.compute == {"Conv": {"fp16": 1, "fp32": 1}, "Gemm": {"fp16": 1}}


def test_an_int8_model_with_all_that_a_manifest_can_say(tmp_path: Path) -> None:
    right = np.ones(1000, dtype=bool)
    paired = compare_predictions(right, right, np.zeros(1000, np.int64), np.zeros(1000, np.int64))
    path = publish_model(
        int8_model(),
        tmp_path / "small_int8.onnx",
        Precision(asked="int8", obtained={"fp32": 1, "int8": 5}, kept=("stem", "a", "b", "c", "d")),
    )
    manifest = inspect_file(path).manifest
    assert manifest is not None
    publish(
        path,
        lambda out: write_bytes(out, int8_model().SerializeToString()),
        replace(
            manifest,
            calibration={
                "dataset": "cifar10",
                "count": 512,
                "percentile": 99.999,
                "digest": "ab" * 32,
                "images": ["x"] * 512,
            },
            parity={"max_abs": 0.125, "first_flips": []},
            accuracy={**to_mapping(paired), "gate": to_mapping(Gate(max_drop=0.5).judge(paired))},
            parents=(Parent(role="onnx", name="small.onnx", sha256="cd" * 32),),
        ),
    )
    report = inspect_file(path, lint=True)
    assert report.onnx is not None
    assert report.onnx.compute == {"Conv": {"int8": 4}, "Gemm": {"int8": 1}}
    assert report.findings == ()
    text = text_of(path, lint=True)
    assert "int8 asked for; obtained: 1 fp32, 5 int8; kept in float: stem, a, b and 2 more" in text
    assert "calibration  dataset cifar10, count 512, percentile 99.999, digest abababababababab…\n" in text
    assert "parity       max_abs 0.125\n" in text
    assert "difference_points 0, difference_ci95 -0.38268 to 0.38268" in " ".join(text.split())
    assert "made from    onnx small.onnx  cdcdcdcdcdcdcdcd…" in text
    assert text.endswith("lint         every rule is kept")


def test_the_lint_groups_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    g = Graph()
    first = g.conv(g.qdq("x", zero=np.uint8(0), name="one"))
    pooled = g.op("GlobalAveragePool", g.conv(g.qdq(g.op("Relu", first), zero=np.uint8(0), name="two")))
    model = g.model(g.op("Flatten", pooled))
    path = tmp_path / "bad.onnx"
    onnx.save(shaped(model), path)
    text = text_of(path, lint=True)
    assert "lint         2 errors\nerror        not-int8 × 2\n             one_q (and 1 more): " in text
    assert "fix: Quantize to int8" in text
    with pytest.raises(typer.Exit) as caught:
        inspect_command(path, lint=True, as_json=True)
    assert caught.value.exit_code == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == "ran-deploy.inspect/v1"
    assert [finding["node"] for finding in document["findings"]] == ["one_q", "two_q"]
    assert captured.err.startswith("error: 2 breaches")
    inspect_command(path)  # without the lint nothing is wrong


def checkpoint(path: Path) -> int:
    """Write a checkpoint with its manifest; return the network's number of parameters."""
    torch.manual_seed(0)
    info = dataset_info("synthetic")
    network = create_model("att56", "synthetic", width=0.25)
    meta = CheckpointInfo(arch="att56", dataset="synthetic", classes=10, labels=info.labels, options={"width": 0.25})
    manifest = Manifest(
        kind="checkpoint",
        arch="att56",
        dataset="synthetic",
        contract=make_contract(info, info.labels),
        precision=Precision(asked="fp32"),
        parents=(),
        key="by-hand",
        options={"width": 0.25},
    )
    publish(path, lambda out: save_weights(out, network, meta), manifest)
    return count_parameters(network)


def test_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "att56.safetensors"
    parameters = checkpoint(path)
    report = inspect_file(path)
    assert report.checkpoint is not None
    assert report.checkpoint.parameters == parameters
    network = create_model("att56", "synthetic", width=0.25)
    assert report.checkpoint.macs == count_macs(network, 32)
    assert f"{parameters:,} parameters, {report.checkpoint.macs:,} multiply-adds per image" in text_of(path)
    assert report.checkpoint.network is not None
    assert report.checkpoint.network["options"] == {"width": 0.25}
    assert "network      att56 (width 0.25), synthetic, 10 classes, trained weights" in text_of(path)
    manifest_path(path).unlink()
    assert "network      arch att56, classes 10, dataset synthetic" in text_of(path)


def test_safetensors_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": np.zeros((3, 4), np.float16)}, path)
    report = inspect_file(path)
    assert report.checkpoint is not None
    assert (report.checkpoint.network, report.checkpoint.parameters, report.checkpoint.macs) == (None, 12, None)
    assert "network      unknown without a manifest" in text_of(path)


def plan(path: Path, content: bytes, *, build: bool = True) -> Path:
    info = dataset_info("cifar10")
    profile = BatchProfile(min_batch=1, opt_batch=8, max_batch=64)
    made = Build(
        flavour="tensorrt-rtx",
        version="1.7.1.116",
        targets=("sm89",),
        gpu=None,
        profile=profile,
        optimization_level=3,
    )
    manifest = Manifest(
        kind="plan",
        arch="att92",
        dataset="cifar10",
        contract=make_contract(info, info.labels),
        precision=Precision(asked="fp16", obtained={"fp16": 196, "fp32": 1}, kept=("stem",)),
        parents=(),
        key="by-hand",
        build=made if build else None,
    )
    publish(path, lambda out: write_bytes(out, content), manifest)
    return path


def test_a_plan(tmp_path: Path) -> None:
    path = plan(tmp_path / "att92.plan", HEADER)
    text = text_of(path)
    assert "header       version 1.7.1.116, targets sm89 (undocumented bytes: a hint)" in text
    assert "build        tensorrt-rtx 1.7.1.116 for sm89, without a GPU" in text
    assert "precision    fp16 asked for; obtained: 196 fp16, 1 fp32; kept in float: stem" in text
    assert "batch        1 to 64, tuned for 8" in text


@pytest.mark.parametrize(
    "network",
    [
        {"arch": "att99", "dataset": "cifar10", "classes": 10, "options": {}},
        {"arch": "att56", "dataset": "cifar10", "classes": 10, "options": {"depth": 9}},
        {"arch": "att56", "dataset": "cifar10", "classes": "ten", "options": {}},
        {"arch": "att56"},
    ],
)
def test_a_checkpoint_of_a_network_that_is_not_known_here(network: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "future.safetensors"
    save_file({"w": np.zeros(5, np.float32)}, path, {"info": json.dumps(network)})
    report = inspect_file(path)
    assert report.checkpoint is not None
    assert (report.checkpoint.network, report.checkpoint.macs) == (network, None)


def test_a_plan_beside_the_model_that_it_was_built_from(tmp_path: Path) -> None:
    source = publish_model(small_model(), tmp_path / "att92.onnx")
    path = plan(tmp_path / "att92.plan", HEADER)
    manifest = inspect_file(path).manifest
    assert manifest is not None
    parents = (Parent(role="onnx", name=source.name, sha256=sha256_file(source)),)
    publish(path, path.read_bytes(), replace(manifest, parents=parents))
    report = inspect_file(path)
    assert report.onnx is not None
    assert report.onnx.macs == 237_648
    text = text_of(path)
    assert "237,648 multiply-adds per image, by the ONNX model that it was built from" in " ".join(text.split())
    assert f"made from    onnx att92.onnx  {parents[0].sha256[:16]}… (beside it)" in text
    source.write_bytes(b"replaced")
    assert inspect_file(path).onnx is None
    assert "(beside it, but changed since)" in text_of(path)


def test_a_plan_without_a_manifest_is_read_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "foreign.plan"
    path.write_bytes(HEADER)
    report = inspect_file(path)
    assert report.plan is not None
    assert (report.plan.version, report.plan.targets) == ("1.7.1.116", ("sm89",))
    path.write_bytes(b"not a plan, but long enough to have a header")
    with pytest.raises(IntegrityError, match="does not begin like a TensorRT plan"):
        inspect_file(path)


def test_a_header_of_another_form_is_no_fault_beside_a_manifest(tmp_path: Path) -> None:
    report = inspect_file(plan(tmp_path / "future.plan", b"another form of header " * 4))
    assert report.plan is None
    assert report.matches_manifest is True


def test_a_changed_file_is_shown_and_is_code_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = publish_model(small_model(), tmp_path / "small.onnx")
    changed = small_model()
    changed.producer_name = "someone else"
    onnx.save(changed, path)
    with pytest.raises(typer.Exit) as caught:
        inspect_command(path)
    assert caught.value.exit_code == 5
    captured = capsys.readouterr()
    assert "NOT the one in its manifest" in captured.out
    assert "written by someone else" in captured.out
    assert "is not the file that its manifest describes" in captured.err


@pytest.mark.parametrize("name", ["small.onnx", "small.safetensors"])
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if path.suffix == ".onnx":
        publish_model(small_model(), path)
    else:
        checkpoint(path)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 3], b"\x00" * 100, b"{}"):
        path.write_bytes(content)
        with pytest.raises(IntegrityError):
            inspect_file(path)
    path.write_bytes(whole)
    manifest_path(path).write_text("{")
    with pytest.raises(IntegrityError, match="not valid JSON"):
        inspect_file(path)


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        inspect_file(tmp_path / "no.onnx")
    with pytest.raises(UsageError, match="does not exist"):
        inspect_file(tmp_path / "no")
    with pytest.raises(UsageError, match="is a folder"):
        inspect_file(tmp_path)
    (tmp_path / "model.pt").write_text("x")
    with pytest.raises(UsageError, match=r"ends in '.pt'; expected .onnx"):
        inspect_file(tmp_path / "model.pt")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        inspect_file(tmp_path / "folder.onnx")
    with pytest.raises(UsageError, match="the lint reads ONNX models"):
        inspect_file(tmp_path / "model.plan", lint=True)
