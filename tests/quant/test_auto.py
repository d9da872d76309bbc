"""``quantize --auto``: exactly the planted unit goes back to float, and the gate then holds."""

from pathlib import Path
from typing import Any

import onnx
import pytest

from ran_deploy.errors import GateError
from ran_deploy.quant.auto import AutoResult, quantize_auto
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.compute import types_by_node
from tests.quant.chain import chain_model, colour_images, unbalance
from tests.quant.small import publish_model


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colour_images(tmp_path_factory.mktemp("colours") / "images", each=6)


def convert(model: onnx.ModelProto, folder: Path, source: Path, **options: Any) -> AutoResult:
    file = publish_model(model, folder / "chain.onnx")
    calibration = CalibrationOptions(
        dataset="folder", data=source, samples=options.pop("samples", 20), method=options.pop("method", "minmax")
    )
    return quantize_auto(file, calibration, **{"images": 30, **options})


@pytest.mark.parametrize("high_precision", ["fp32", "fp16"])
def test_exactly_the_planted_unit_goes_back(tmp_path: Path, images: Path, high_precision: str) -> None:
    model = unbalance(chain_model(), 2, factor=2e3)
    result = convert(model, tmp_path, images, high_precision=high_precision)
    assert result.auto.groups == ("stages.2",)
    assert [(trial.given_back, trial.passed) for trial in result.auto.trials] == [(0, False), (1, True)]
    kept = {name for name, kind in types_by_node(onnx.load(result.path)).items() if kind != "int8"}
    assert kept == {*(f"stages.2.body.{n}/Conv" for n in ("1.0", "3.0", "4")), "classifier/Gemm"}
    assert set(result.manifest.precision.kept) == kept
    assert result.manifest.calibration is not None
    assert result.manifest.calibration["auto"]["groups"] == ["stages.2"]
    assert result.parity["top1_agreement"] == 1
    again = convert(model, tmp_path, images, high_precision=high_precision)
    assert (again.reused, again.auto, again.manifest.created) == (True, result.auto, result.manifest.created)


def test_two_planted_units_need_two(tmp_path: Path, images: Path) -> None:
    model = unbalance(unbalance(chain_model(), 0), 2)
    result = convert(model, tmp_path, images)
    assert set(result.auto.groups) == {"stages.0", "stages.2"}
    assert result.auto.trials[-1].passed


def test_a_sound_model_is_int8_throughout(tmp_path: Path, images: Path) -> None:
    result = convert(chain_model(), tmp_path, images)
    assert (result.auto.groups, len(result.auto.trials)) == ((), 1)
    assert result.manifest.precision.kept == ("classifier/Gemm",)
    assert not (tmp_path / "chain_sensitivity.json").exists()


def test_where_nothing_helps_nothing_is_written(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ran_deploy.quant.auto_search.Judge._agreement", lambda *_: (False, "never"))
    with pytest.raises(GateError, match="not even with 6 of 7 groups back in float") as caught:
        convert(chain_model(), tmp_path, images)
    assert [trial["given_back"] for trial in caught.value.details["trials"]] == [0, 1, 2, 4, 6]
    assert not (tmp_path / "chain_int8.onnx").exists()
