"""A whole small experiment: what it writes, what it refuses, and that it goes on after a kill."""

import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.arch.count import count_parameters
from ran_deploy.arch.registry import create_model
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.experiments import trained as training
from ran_deploy.experiments.definitions import Experiment, find_experiment
from ran_deploy.experiments.plan import Asked, Plan, kept_plan
from ran_deploy.experiments.result import ExperimentResult
from ran_deploy.experiments.run import run_experiment
from ran_deploy.train import loop


def start(out: Path, **options: Any) -> ExperimentResult:
    given = {"images": 20, "epochs": 2, "test_images": 50, **options}
    return run_experiment("small", data=None, out=out, **given)


@pytest.fixture(scope="module")
def finished(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExperimentResult]:
    """The experiment, trained once for all tests of this file."""
    out = tmp_path_factory.mktemp("finished") / "out"
    return out, start(out)


@pytest.fixture
def unplotted(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is trained, which cost half the time without the pictures."""
    monkeypatch.setattr("ran_deploy.train.run.plot_curves", lambda *arguments: None)
    monkeypatch.setattr("ran_deploy.experiments.run.plot_curves", lambda *arguments: None)


def trained(result: ExperimentResult) -> Any:
    """What two runs of the same plan have in common: all but times, and the hash of a file with unordered metadata."""
    return [(network.name, run.top1, run.curve) for network in result.networks for run in network.seeds] + [
        (ordering.points, ordering.verdict) for ordering in result.orderings
    ]


def test_what_an_experiment_writes(finished: tuple[Path, ExperimentResult]) -> None:
    out, result = finished
    assert {path.name for path in out.iterdir()} == {
        *("plan.json", "results.json", "table.md", "curves.png", "curves.svg", "runs")
    }
    assert set(result.files) < {path.name for path in out.iterdir()}
    runs = sorted(path.name for path in (out / "runs").iterdir())
    assert runs == ["narrow_seed0", "wider_seed0"]
    left = {path.name for path in (out / "runs" / "narrow_seed0").iterdir()}
    assert "state.safetensors" not in left, "what only a resume needs is removed"
    assert (out / result.networks[1].seeds[0].checkpoint).name in left
    document = json.loads((out / "results.json").read_text())
    assert document["schema"] == "ran-deploy.experiment/v1"
    assert [network["published"] for network in document["networks"]] == [80.0, 70.5]
    assert len(document["networks"][0]["seeds"][0]["curve"]) == 2
    assert str(out) not in (out / "results.json").read_text()
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "Wider above Narrow" in (out / "table.md").read_text()


@pytest.mark.usefixtures("unplotted")
def test_a_finished_experiment_is_not_trained_again(
    finished: tuple[Path, ExperimentResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, result = finished
    monkeypatch.setattr(training, "train_contender", None)  # what is called anyway fails
    assert trained(start(out)) == trained(result)


def test_the_plan_is_told_before_anything_is_trained(small: Experiment, tmp_path: Path) -> None:
    plans: list[Plan] = []

    def announce(plan: Plan) -> None:
        plans.append(plan)
        raise _ToldError

    with pytest.raises(_ToldError):
        start(tmp_path / "out", announce=announce)
    assert plans[0].work.images == 20
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["plan.json"]


class _ToldError(Exception):
    pass


class _KilledError(BaseException):
    """Like SIGKILL: nothing catches it."""


@pytest.mark.usefixtures("unplotted")
@pytest.mark.parametrize("step", [1, 5])
def test_a_killed_experiment_goes_on_to_the_same_result(
    step: int, finished: tuple[Path, ExperimentResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of two steps for each of two networks: step 1 is inside the first, 5 inside the second."""
    out = tmp_path / "out"
    left = step
    original = loop.Trainer._step

    def killed(self: loop.Trainer, *arguments: Any) -> Any:
        nonlocal left
        if left == 0:
            raise _KilledError
        left -= 1
        return original(self, *arguments)

    monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(loop.Trainer, "_step", killed)
    with pytest.raises(_KilledError):
        start(out)
    taken: list[int] = []

    def counted(self: loop.Trainer, *arguments: Any) -> Any:
        taken.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(loop.Trainer, "_step", counted)
    result = start(out)
    assert len(taken) == 8 - step, "what was done before the kill is not done again"
    assert trained(result) == trained(finished[1])


@pytest.mark.usefixtures("unplotted")
def test_killed_between_training_and_testing(
    finished: tuple[Path, ExperimentResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any, **options: Any) -> Any:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr(training, "_test", killed)
        with pytest.raises(_KilledError):
            start(tmp_path / "out")
    assert not (tmp_path / "out" / "runs" / "wider_seed0" / "test.json").exists()
    assert trained(start(tmp_path / "out")) == trained(finished[1])


@pytest.mark.usefixtures("unplotted")
def test_seeds_are_averaged_with_students_interval(small: Experiment, tmp_path: Path) -> None:
    result = start(tmp_path / "out", seeds=2, epochs=1)
    network = result.networks[0]
    assert [run.seed for run in network.seeds] == [0, 1]
    assert network.seeds[0].checkpoint_sha256 != network.seeds[1].checkpoint_sha256
    assert network.top1 == pytest.approx(sum(run.top1 for run in network.seeds) / 2)
    assert "2 seeds" in result.uncertainty


@pytest.mark.usefixtures("unplotted")
def test_some_of_the_classes(small: Experiment, tmp_path: Path) -> None:
    result = start(tmp_path / "out", classes=3, epochs=1, images=12, test_images=30)
    _, info = load_checkpoint(tmp_path / "out" / result.networks[0].seeds[0].checkpoint)
    assert info.classes == 3
    assert result.networks[0].params == count_parameters(create_model("naive-cnn", "synthetic", 3, width=0.25))
    assert "12 training images of 3 classes" in result.budgets
    assert "all 10 classes, so that only the orderings can be compared" in result.budgets


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "--epochs 2; now it is 3"),
        ({"test_images": None}, "--test-images 50; now it is not given"),
        ({"seeds": 2}, "--seeds 1; now it is 2"),
        ({"images": None, "epochs": None, "budget": "5m"}, "--budget not given; now it is 5m"),
    ],
)
def test_another_plan_in_the_folder_is_refused(
    change: dict[str, Any], message: str, finished: tuple[Path, ExperimentResult]
) -> None:
    with pytest.raises(UsageError, match=message):
        start(finished[0], **change)


def test_another_experiment_in_the_folder_is_refused(finished: tuple[Path, ExperimentResult], tmp_path: Path) -> None:
    plan = (finished[0] / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(plan)
    asked = Asked(experiment="columbia", budget=None, images=20, epochs=2, test_images=50)
    with pytest.raises(UsageError, match="run with experiment small; now it is columbia"):
        kept_plan(tmp_path, asked, find_experiment("columbia"), "")


def test_an_edited_plan_is_refused(finished: tuple[Path, ExperimentResult], tmp_path: Path) -> None:
    text = (finished[0] / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(text.replace('"images": 20', '"images": 30'))
    with pytest.raises(IntegrityError, match="was edited"):
        start(tmp_path, images=30)


def test_a_folder_with_other_files_is_refused(small: Experiment, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        start(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(small: Experiment, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file; expected a folder"):
        start(tmp_path / "out")


def test_a_budget_decides_nothing_beside_images_and_epochs(small: Experiment, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave nothing"):
        start(tmp_path / "out", budget="5m")


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        run_experiment("columbia", data=tmp_path / "none", out=tmp_path / "out", budget="1m")
    assert not (tmp_path / "out").exists()
