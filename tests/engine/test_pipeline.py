"""From a network's name to its plan, through the real stages and the command line."""

import itertools
import json
from pathlib import Path

import pytest

from ran_deploy.cli.app import run
from ran_deploy.engine.build import BuildOptions
from ran_deploy.engine.pipeline import build_for_arch
from ran_deploy.errors import UsageError
from ran_deploy.manifest import verified_manifest
from ran_deploy.quant.calibration_options import CalibrationOptions
from tests.quant.chain import colour_images
from tests.quant.small import publish_model, small_model


def test_a_network_becomes_a_float16_plan_and_an_int8_one(tmp_path: Path) -> None:
    result = build_for_arch("naive-cnn", precision="fp16", folder=tmp_path, random_weights=True)
    assert result.path == tmp_path / "naive-cnn_fp16.plan"
    assert result.manifest.precision.asked == "fp16"
    assert result.manifest.precision.obtained == {"fp16": 6}
    assert {path.name for path in tmp_path.iterdir()} == {
        f"naive-cnn{name}{suffix}"
        for name in (".onnx", "_fp16.onnx", "_fp16.plan")
        for suffix in ("", ".manifest.json")
    }
    chain = [
        verified_manifest(tmp_path / name) for name in ("naive-cnn.onnx", "naive-cnn_fp16.onnx", "naive-cnn_fp16.plan")
    ]
    assert all(
        child and parent and child.parents[0].sha256 == parent.sha256 for parent, child in itertools.pairwise(chain)
    )
    exported = (tmp_path / "naive-cnn.onnx").stat().st_mtime_ns
    images = colour_images(tmp_path / "images", each=1)
    calibration = CalibrationOptions(dataset="folder", data=images, samples=4, method="minmax")
    lower = build_for_arch("naive-cnn", precision="int8", folder=tmp_path, random_weights=True, calibration=calibration)
    assert lower.path == tmp_path / "naive-cnn_int8.plan"
    assert lower.manifest.precision.obtained == {"fp32": 1, "int8": 5}
    assert (lower.manifest.calibration or {})["count"] == 4
    assert (tmp_path / "naive-cnn.onnx").stat().st_mtime_ns == exported  # the unchanged export is used again


def test_wrong_options_are_refused_before_the_export(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sm90"):
        build_for_arch("att92", folder=tmp_path, random_weights=True, options=BuildOptions(targets=("sm90",)))
    with pytest.raises(UsageError, match="int4"):
        build_for_arch("att92", folder=tmp_path, precision="int4", random_weights=True)
    with pytest.raises(UsageError, match="goes with --precision int8"):
        build_for_arch("att92", folder=tmp_path, precision="fp16", calibration=CalibrationOptions(file="x.json"))
    with pytest.raises(UsageError, match="No calibration ships for att452"):
        build_for_arch("att452", folder=tmp_path, precision="int8")
    with pytest.raises(UsageError, match="for the shipped weights only"):
        build_for_arch("att92", folder=tmp_path, precision="int8", random_weights=True)
    assert not list(tmp_path.iterdir())


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = publish_model(small_model(), tmp_path / "small.onnx")
    assert run(["quantize", "--onnx", str(source), "--precision", "fp16", "--json"]) == 0
    quantized = json.loads(capsys.readouterr().out)
    assert (quantized["schema"], quantized["manifest"]["precision"]["obtained"]) == (
        "ran-deploy.quantize/v1",
        {"fp16": 3},
    )
    plan = tmp_path / "x.plan"
    half = quantized["path"]
    aliases = [
        "--saveEngine",
        str(plan),
        "--builderOptimizationLevel",
        "2",
        "--targets",
        "sm89, SM86",
        "--max-batch",
        "4",
    ]
    assert run(["build", "--onnx", half, *aliases, "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["schema"], built["path"]) == ("ran-deploy.build/v1", str(plan))
    assert built["manifest"]["build"]["targets"] == ["sm86", "sm89"]
    assert built["manifest"]["build"]["profile"] == {"min_batch": 1, "opt_batch": 4, "max_batch": 4}
    assert run(["build", "--onnx", half, *aliases]) == 0
    again = capsys.readouterr()
    assert "used again" in again.err
    assert "3 fp16" in again.out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["build", "--flavour", "auto"], "either --onnx or --arch"),
        (["build", "--onnx", "a.onnx", "--arch", "att56"], "either --onnx or --arch"),
        (["build", "--onnx", "a.onnx", "--precision", "fp16"], "an ONNX file has its precision"),
        (["build", "--onnx", "a.onnx", "--calib-data", "x"], "--calib-data goes with --arch"),
        (["build", "--arch", "att92", "--precision", "fp16", "--calibration", "x.json"], "goes with --precision int8"),
        (["build", "--arch", "att452", "--precision", "int8"], "No calibration ships for att452"),
        (["build", "--onnx", "none.onnx"], "does not exist"),
        (["build", "--onnx", "none.onnx", "--max-batch", "0"], "1 ≤ min ≤ opt ≤ max"),
        (["quantize", "--precision", "fp16"], "either --onnx or --arch"),
        (["quantize", "--precision", "fp16", "--onnx", "none.onnx"], "does not exist"),
        (["quantize", "--precision", "fp16", "--onnx", "a.onnx", "--random-weights"], "goes with --arch"),
    ],
)
def test_bad_usage(arguments: list[str], cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert cause in capsys.readouterr().err
