"""The ranking, on a network in which one unit is made intolerant of INT8 on purpose."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from ran_deploy.cli.sensitivity import sensitivity_command
from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.manifest import Precision, read_manifest
from ran_deploy.quant.qdq import insert_qdq
from ran_deploy.quant.ranking import SensitivityResult
from ran_deploy.quant.sensitivity import sensitivity
from ran_deploy.quant.sensitivity_state import Cost, SensitivityState
from ran_deploy.quant.subset import choose_subset, hold_out, open_calibration_data
from tests.quant.chain import chain_model, colour_images, unbalance
from tests.quant.small import publish_model


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colour_images(tmp_path_factory.mktemp("colours") / "images", each=6)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return publish_model(unbalance(chain_model(), 2), tmp_path / "chain.onnx")


def measure(file: Path, folder: Path, **options: Any) -> SensitivityResult:
    given = {"samples": 20, "images": 20, "method": "minmax", **options}
    return sensitivity(file, calib_dataset="folder", calib_data=folder, **given)


def test_the_planted_unit_is_the_worst_and_alone_explains_the_whole(file: Path, images: Path) -> None:
    result = measure(file, images)
    worst, second = result.groups[:2]
    assert (worst.group, worst.part) == ("stages.2", "unit")
    assert worst.cost.sqnr_db < 10 < 35 < second.cost.sqnr_db
    assert worst.cost.flips > 10
    assert all(row.cost.flips == 0 for row in result.groups[1:])
    assert abs(worst.cost.sqnr_db - result.everything.sqnr_db) < 1
    assert result.nothing == Cost(sqnr_db=300.0, flips=0, max_abs=0.0, not_finite=0)
    assert {row.group for row in result.groups} == {*(f"stages.{n}" for n in range(5)), "stem", "stages.4.mask.head"}
    assert set(worst.nodes) == {
        *(f"stages.2.body.{n}/Conv" for n in ("1.0", "3.0", "4")),
        "stages.2/Add",
    }


def test_the_file_holds_the_result_and_is_used_again(file: Path, images: Path) -> None:
    result = measure(file, images)
    document = json.loads(Path(result.path).read_text())
    assert document == to_mapping(result)
    assert result.path == str(file.with_name("chain_sensitivity.json"))
    assert sorted(entry.name for entry in file.parent.iterdir()) == [
        "chain.onnx",
        "chain.onnx.manifest.json",
        "chain_sensitivity.json",
    ]
    assert measure(file, images) == dataclasses.replace(result, reused=True)
    assert not measure(file, images, seed=1).reused


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_a_stopped_run_goes_on_where_it_was(
    file: Path, images: Path, stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[None] = []

    def stops(model: onnx.ModelProto, *rest: Any, **options: Any) -> onnx.ModelProto:
        built.append(None)
        if len(built) == 5:
            raise stop
        return insert_qdq(model, *rest, **options)

    monkeypatch.setattr("ran_deploy.quant.variants.insert_qdq", stops)
    with pytest.raises(stop):
        measure(file, images)
    state = file.with_name("chain_sensitivity.json.state.jsonl")
    assert len(state.read_text().splitlines()) == 1 + 4
    result = measure(file, images)
    # nothing, everything and seven groups, one of which was tried twice
    assert len(built) == 2 + len(result.groups) + 1
    assert not state.exists()
    assert result.groups[0].group == "stages.2"
    assert [row.cost for row in measure(file, images, out=file.with_name("again.json")).groups] == [
        row.cost for row in result.groups
    ]


@pytest.mark.parametrize("damage", ["", "{", '{"schema": "x"}\n', "half"])
def test_a_damaged_state_counts_as_empty(tmp_path: Path, damage: str) -> None:
    path, cost = tmp_path / "state.jsonl", Cost(sqnr_db=1.0, flips=2, max_abs=3.0, not_finite=0)
    SensitivityState(path, "key").add("group", cost)
    assert SensitivityState(path, "key").costs == {"group": cost}
    assert SensitivityState(path, "other").costs == {}
    path.write_text(path.read_text()[:-9] if damage == "half" else damage)
    assert SensitivityState(path, "key").costs == {}


def test_float16_in_the_arithmetic_of_a_gpu(tmp_path: Path, images: Path) -> None:
    """Unbalanced by 3e4 the float16 network overflows, which ONNX Runtime's CPU would hide."""
    file = publish_model(unbalance(chain_model(), 2, factor=3e6), tmp_path / "chain.onnx")
    result = measure(file, images, precision="fp16")
    assert result.groups[0].group == "stages.2"
    assert result.groups[0].cost.not_finite == 20
    assert all(row.cost.not_finite == 0 and row.cost.sqnr_db > 50 for row in result.groups[1:])


def test_held_out_images_are_others_and_balanced(file: Path, images: Path) -> None:
    manifest = read_manifest(file)
    assert manifest is not None
    dataset = open_calibration_data("folder", images, manifest.contract)
    subset = choose_subset(dataset, 30, 0)
    other = hold_out(subset, 20)
    assert not set(subset.indices) & set(other.indices)
    assert not set(subset.digests) & set(other.digests)
    counts = [int((dataset.targets[other.indices] == label).sum()) for label in range(10)]
    assert counts == [2] * 10
    assert hold_out(subset, 20).digest == other.digest
    with pytest.raises(UsageError, match="31 images beside the 30 of the calibration"):
        hold_out(subset, 31)


@pytest.mark.parametrize(
    ("option", "value"), [("group", "layer"), ("method", "best"), ("precision", "int4"), ("images", 41)]
)
def test_bad_options(file: Path, images: Path, option: str, value: object) -> None:
    with pytest.raises(UsageError):
        measure(file, images, **{option: value})
    assert not file.with_name("chain_sensitivity.json").exists()


def test_a_model_that_is_not_float32(tmp_path: Path, images: Path) -> None:
    file = publish_model(chain_model(), tmp_path / "half.onnx", Precision(asked="fp16"))
    with pytest.raises(UsageError, match="fp16 already"):
        measure(file, images)


def test_the_result_does_not_replace_the_model(file: Path, images: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(UsageError, match=r"must end in \.json"):
        measure(file, images, out=file)
    assert file.read_bytes() == before


def test_the_command_lists_the_worst_and_draws(
    file: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    options: dict[str, Any] = {"calib_dataset": "folder", "calib_samples": 20, "images": 20, "method": "minmax"}
    sensitivity_command(file, images, **options, top=1, plot=tmp_path / "plot.png")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["group", "stages.2", "(everything)", "(nothing)"]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    sensitivity_command(file, images, **options, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], len(document["groups"])) == ("ran-deploy.sensitivity/v1", 7)
    with pytest.raises(UsageError, match="must end in"):
        sensitivity_command(file, images, **options, plot=tmp_path / "plot.bmp")
