"""``deploy``: what is done, what is not done again, and what is refused."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ran_deploy.deploying.deploy import DeployRun, deploy, plan_deploy
from ran_deploy.deploying.folder import held
from ran_deploy.deploying.options import DeployOptions, Gates, Int8, Load
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.deploying.result import read_result
from ran_deploy.errors import UsageError
from ran_deploy.locks import lock
from ran_deploy.manifest import manifest_path
from tests.deploying.small_deployment import ALL, make_source

MEASURED = ("accuracy", "bench")


@pytest.fixture(scope="module")
def request_small(tmp_path_factory: pytest.TempPathFactory) -> DeployRequest:
    return make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def deployed(request_small: DeployRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DeployRun]:
    out = tmp_path_factory.mktemp("deployed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAN_DEPLOY_CACHE", str(out.parent / "cache"))
        return out, deploy(out, request_small, ALL)


@pytest.fixture
def folder(deployed: tuple[Path, DeployRun], tmp_path: Path) -> Path:
    """A copy to change, with the times of its files."""
    return Path(shutil.copytree(deployed[0], tmp_path / "out"))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".deploy.lock"
    }


def to_run(out: Path, request: DeployRequest, options: DeployOptions) -> set[str]:
    return {found.stage for found in plan_deploy(out, request, options).decisions if found.action == "run"}


def test_everything_is_in_the_folder(deployed: tuple[Path, DeployRun]) -> None:
    out, run = deployed
    result = run.result
    assert read_result(out / "report.json") == result
    assert json.loads((out / "report.json").read_text())["schema"] == "ran-deploy.deploy/v1"
    assert (out / "report.html").is_file()
    assert [stage.name for stage in result.stages] == list(run.ran[:-1])
    assert run.ran[-1] == "report"
    assert {variant.precision for variant in result.variants} == {"fp32", "fp16", "int8"}
    for variant in result.variants:
        assert variant.engine is not None
        assert (out / variant.engine.name).stat().st_size == variant.engine.size_bytes
        assert variant.accuracy is not None
        assert variant.accuracy.samples == 16
        assert variant.bench is not None
        assert {(entry.batch, entry.count) for entry in variant.samples} == {
            (entry.batch, entry.samples) for entry in variant.bench.results
        }
        assert variant.on_latency_front is not None
    assert [link.name for link in result.lineage] == ["small.onnx", "small_fp16.onnx", "small_int8.onnx"]
    assert result.recommendation.variant in {
        variant.name for variant in result.variants if variant.status == "recommended"
    }
    assert result.recommendation.next_command.startswith("ran-deploy serve --engine")


def test_a_second_run_does_nothing(folder: Path, request_small: DeployRequest) -> None:
    before = snapshot(folder)
    run = deploy(folder, request_small, ALL)
    assert run.ran == ()
    assert snapshot(folder) == before


def measures(*precisions: str, kinds: tuple[str, ...] = MEASURED) -> set[str]:
    return {f"{kind}-{precision}-onnxruntime" for kind in kinds for precision in precisions}


LOAD = ALL.load


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ALL, set()),
        (replace(ALL, gates=Gates(int8=3.0)), {"report"}),
        (replace(ALL, load=replace(LOAD, slo_ms=50.0)), {"report"}),
        (replace(ALL, load=replace(LOAD, objective="throughput")), {"report"}),
        (replace(ALL, int8=Int8(samples=6)), {"int8", *measures("int8"), "pareto", "report"}),
        (
            replace(ALL, eval_limit=20),
            {*measures("fp32", "fp16", "int8", kinds=("accuracy",)), "pareto", "report"},
        ),
        (
            replace(ALL, load=replace(LOAD, duration_s=0.01)),
            {*measures("fp32", "fp16", "int8", kinds=("bench",)), "pareto", "report"},
        ),
        (replace(ALL, precisions=("fp32", "int8")), {"pareto", "report"}),
        (replace(ALL, layers=True), {*measures("fp32", "fp16", "int8", kinds=("profile",)), "report"}),
    ],
)
def test_a_changed_option_runs_what_depends_on_it(
    deployed: tuple[Path, DeployRun], request_small: DeployRequest, options: DeployOptions, expected: set[str]
) -> None:
    before = snapshot(deployed[0])
    assert to_run(deployed[0], request_small, options) == expected
    assert snapshot(deployed[0]) == before


def test_only_the_report_is_made_anew_for_other_gates(folder: Path, request_small: DeployRequest) -> None:
    options = replace(ALL, gates=Gates(int8=3.0), load=replace(LOAD, slo_ms=1e-6))
    run = deploy(folder, request_small, options)
    assert run.ran == ("report",)
    assert {variant.status for variant in run.result.variants} == {"rejected"}
    assert run.result.recommendation.variant is None
    assert "The nearest is" in run.result.recommendation.sentence
    assert all(variant.slo is not None and not variant.slo.held for variant in run.result.variants)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "damage", "first"),
    [
        ("small_int8.onnx", truncate, "int8"),
        ("small_int8.onnx", lambda path: manifest_path(path).unlink(), "int8"),
        ("small.onnx", Path.unlink, "import"),
        ("accuracy/small.onnxruntime.json", truncate, "accuracy-fp32-onnxruntime"),
        ("stages/pareto.json", truncate, "pareto"),
    ],
)
def test_what_was_damaged_is_made_again(
    folder: Path, request_small: DeployRequest, name: str, damage: Callable[[Path], None], first: str
) -> None:
    damage(folder / name)
    decisions = plan_deploy(folder, request_small, ALL).decisions
    again = next(found for found in decisions if found.action == "run")
    assert again.stage == first
    assert name in again.why or "not been done yet" in again.why


def test_other_images_are_noticed(folder: Path, request_small: DeployRequest, tmp_path: Path) -> None:
    images = Path(shutil.copytree(str(request_small.calib_data), tmp_path / "images"))
    same = replace(request_small, calib_data=images)
    assert to_run(folder, same, ALL) == set()
    Image.new("RGB", (32, 32)).save(images / "0.png")
    found = {entry.stage: entry.why for entry in plan_deploy(folder, same, ALL).decisions if entry.action == "run"}
    assert "calibration: " in found["int8"]
    assert "→" in found["int8"]
    assert found["bench-int8-onnxruntime"] == "int8 runs"


def test_the_same_model_again_costs_nothing_downstream(folder: Path, request_small: DeployRequest) -> None:
    (folder / "stages" / "import.json").unlink()
    assert deploy(folder, request_small, ALL).ran == ("import",)


def test_two_processes(folder: Path, request_small: DeployRequest) -> None:
    with held(folder), pytest.raises(UsageError, match=rf"at work in .* \(process {os.getpid()}, since ") as caught:
        deploy(folder, request_small, ALL)
    assert caught.value.exit_code == 2
    with (folder / ".deploy.lock").open("a") as free:
        assert lock(free)


def test_what_a_killed_process_left_half_written_is_removed(folder: Path, request_small: DeployRequest) -> None:
    for place in (folder, folder / "bench"):
        (place / ".small.onnx.abc.tmp").write_bytes(b"half")
    deploy(folder, request_small, ALL)
    assert not list(folder.rglob("*.tmp"))


def test_a_folder_of_somebody_else_is_refused(request_small: DeployRequest, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not of a deployment"):
        deploy(tmp_path / "out", request_small, ALL)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="is a file"):
        plan_deploy(tmp_path / "out" / "thesis.txt", request_small, ALL)


def test_another_model_is_refused(folder: Path, request_small: DeployRequest, tmp_path: Path) -> None:
    source = Path(str(request_small.onnx))
    other = tmp_path / "other.onnx"
    shutil.copy(source, other)
    shutil.copy(manifest_path(source), manifest_path(other))
    with pytest.raises(UsageError, match="holds the deployment of small; other was asked for"):
        deploy(folder, replace(request_small, onnx=other), ALL)


def test_int8_needs_real_images(request_small: DeployRequest, tmp_path: Path) -> None:
    without = replace(request_small, calib_data=None)
    with pytest.raises(UsageError, match="needs real images") as caught:
        deploy(tmp_path / "out", without, ALL)
    assert "--precisions fp32,fp16" in caught.value.fix
    assert not (tmp_path / "out").exists()
    assert "int8" not in to_run(tmp_path / "out", without, replace(ALL, precisions=("fp32",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "att92"}, "either --arch or --onnx"),
        ({"onnx": None}, "either --arch or --onnx"),
        ({"checkpoint": Path("a")}, "--checkpoint goes with --arch"),
        ({"dataset": "cifar"}, "no dataset 'cifar'"),
        ({"mean": (0.5, 0.5, 0.5)}, "One of --mean and --std"),
        ({"mean": (0.5,), "std": (1.0,)}, "expected three numbers"),
        ({"mean": (0.5,) * 3, "std": (0.0,) * 3}, "expected three numbers above 0"),
        ({"calibration": "shipped"}, "takes the place of calibration images"),
        ({"onnx": None, "arch": "att92", "resize": 64}, "--resize goes with --onnx"),
        ({"onnx": None, "arch": "att92", "dataset": "folder"}, "layout of a dataset"),
    ],
)
def test_requests_that_contradict_themselves(
    request_small: DeployRequest, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        replace(request_small, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeployOptions(precisions=()), "precisions are none"),
        (lambda: DeployOptions(runtimes=("onnxruntime", "onnxruntime")), "runtimes are onnxruntime, onnxruntime"),
        (lambda: DeployOptions(eval_limit=0), "--eval-limit is 0"),
        (lambda: Load(slo_ms=0), "SLO is 0 ms"),
        (lambda: Load(slo_percentile=100), "percentile is 100"),
        (lambda: Load(scenario="server"), "needs a rate of arrivals"),
        (lambda: Load(qps=3), "Only the server scenario"),
        (lambda: Load(batches=(1, 1)), "different numbers"),
        (lambda: Gates(int8=0), "--max-drop is 0"),
    ],
)
def test_options_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_without_labelled_images_accuracy_is_not_measured(request_small: DeployRequest, tmp_path: Path) -> None:
    options = replace(ALL, precisions=("fp16",))
    run = deploy(tmp_path / "out", replace(request_small, dataset=None, calib_data=None), options)
    assert "pareto" not in run.ran
    assert run.result.pareto is None
    assert run.result.dataset is None
    reference, variant = run.result.variants
    assert (reference.status, variant.status) == ("reference", "recommended")
    assert "accuracy was not measured" in run.result.recommendation.sentence
    assert any("gates on it were not applied" in text for text in run.result.warnings)
