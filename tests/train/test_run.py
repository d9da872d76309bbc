"""Training end to end on the generated set: what is written, and that a killed run resumes to the same state."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.locks import lock
from ran_deploy.manifest import verified_manifest
from ran_deploy.train import loop
from ran_deploy.train.plan import find_recipe
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.run import train_network

SMALL = {"width": 0.125, "mask_depths": (1, 1, 1)}


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    from ran_deploy.data import open as opening
    from ran_deploy.data.dataset import ArrayDataset, Dataset, Split
    from ran_deploy.train import run

    def first_images(name: str, root: Path | None, split: Split) -> Dataset:
        whole = opening.open_dataset(name, root, split)
        assert isinstance(whole, ArrayDataset)
        return ArrayDataset(whole.info, split, whole.labels, whole.images[:60], whole.targets[:60])

    monkeypatch.setattr(run, "open_dataset", first_images)


def start(recipe: Path, out: Path, *, resume: bool = False, epochs: int | None = None) -> Path:
    return train_network(
        "att56", dataset="synthetic", data=None, out=out, recipe=recipe, resume=resume, epochs=epochs, options=SMALL
    ).checkpoint


def test_what_a_run_writes(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = train_network("att56", dataset="synthetic", data=None, out=out, recipe=recipe, options=SMALL)
    assert {path.name for path in out.iterdir()} == {
        "att56_synthetic.safetensors",
        "att56_synthetic.safetensors.manifest.json",
        "state.safetensors",
        "metrics.jsonl",
        "curves.png",
    }
    model, info = load_checkpoint(result.checkpoint)
    assert info.labels[0] == "disc"
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    manifest = verified_manifest(result.checkpoint)
    assert manifest is not None
    assert manifest.training is not None
    assert manifest.training["recipe"]["epochs"] == 3
    assert manifest.parents[0].name == "recipe.toml"
    lines = [json.loads(line) for line in result.metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["size"] for line in lines] == [16, 24, 32]
    assert lines[-1]["val_top1"] is not None
    assert result.curves.read_bytes().startswith(b"\x89PNG")


def test_a_recipe_in_memory_and_a_part_of_the_images(tmp_path: Path) -> None:
    plan = Recipe(epochs=1, batch=8, validation=10, precision="fp32")

    def train(folder: str, images: int | None, *, resume: bool = False) -> dict[str, object] | None:
        result = train_network(
            "att56",
            dataset="synthetic",
            data=None,
            out=tmp_path / folder,
            recipe=plan,
            images=images,
            label_noise=0.5 if images else None,
            resume=resume,
            options=SMALL,
            tensorboard=images is not None,
        )
        assert not result.manifest.parents
        assert (result.checkpoint.parent / "tensorboard").is_dir() == (images is not None)
        return result.manifest.training

    part, whole = train("part", 20), train("whole", None)
    assert part is not None
    assert whole is not None
    assert (part["images"], part["steps"]) == (20, 2)
    assert (whole["images"], whole["steps"]) == (50, 6)
    assert isinstance(part["recipe"], dict)
    assert part["recipe"]["label_noise"] == 0.5
    noise = part["label_noise"]
    assert isinstance(noise, dict)
    assert noise["count"] == 20
    assert 0 < noise["changed"] < 20
    assert len(noise["sha256"]) == 64
    assert "label_noise" not in whole
    assert part["recipe"]["batch"] == 8
    with pytest.raises(UsageError, match="subset = 20; now it is 24"):
        train("part", 24, resume=True)
    with pytest.raises(UsageError, match=r"recipe: label_noise = 0\.5; now it is 0\.0"):
        train("part", None, resume=True)
    for count in (7, 51):
        with pytest.raises(UsageError, match=f"{count} training images were asked for; expected 8"):
            train("none", count)


class _StoppedError(Exception):
    pass


def test_a_stopped_run_resumes_to_the_same_bytes(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = start(recipe, tmp_path / "whole")
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
    original = loop.Trainer._step
    left = 0

    def step(self: loop.Trainer, *arguments: object) -> torch.Tensor:
        nonlocal left
        if left == 0:
            raise _StoppedError
        left -= 1
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.Trainer, "_step", step)
    # Three epochs of three steps: stop in the first, at the end of the second, and in the third.
    for left, resume in ((1, False), (5, True), (2, True)):  # noqa: B007
        with pytest.raises(_StoppedError):
            start(recipe, tmp_path / "parts", resume=resume)
    left = -1
    resumed = start(recipe, tmp_path / "parts", resume=True)
    first, second = load_file(whole), load_file(resumed)
    assert all(torch.equal(first[name], second[name]) for name in first)

    def results(folder: str) -> list[tuple[float, ...]]:
        lines = (tmp_path / folder / "metrics.jsonl").read_text().splitlines()
        return [(m["step"], m["train_loss"], m["train_top1"], m["val_top1"]) for m in map(json.loads, lines)]

    assert results("parts") == results("whole")


def test_resuming_a_finished_run_changes_nothing(recipe: Path, tmp_path: Path) -> None:
    first = load_file(start(recipe, tmp_path / "run", epochs=1))
    second = load_file(start(recipe, tmp_path / "run", epochs=1, resume=True))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fine_tuning_starts_from_a_checkpoint_and_names_it(recipe: Path, tmp_path: Path) -> None:
    first = start(recipe, tmp_path / "first", epochs=1)
    recipe.write_text(recipe.read_text().replace("lr = 0.05", "lr = 1e-6"))
    second = train_network(
        "att56", dataset="synthetic", data=None, out=tmp_path / "second", recipe=recipe, epochs=1, init=first
    )
    before, after = load_file(first), load_file(second.checkpoint)
    weights = [name for name in before if name.endswith("weight")]
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in weights)
    assert [(parent.role, parent.name) for parent in second.manifest.parents] == [
        ("recipe", "recipe.toml"),
        ("checkpoint", "att56_synthetic.safetensors"),
    ]
    with pytest.raises(UsageError, match="att92 with the 10 classes"):
        train_network("att92", dataset="synthetic", data=None, out=tmp_path / "x", recipe=recipe, init=first)
    with pytest.raises(UsageError, match="options come from the checkpoint"):
        train_network(
            "att56", dataset="synthetic", data=None, out=tmp_path / "y", recipe=recipe, init=first, options=SMALL
        )


def test_another_run_in_the_folder_is_refused(recipe: Path, tmp_path: Path) -> None:
    start(recipe, tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match="already holds a training run"):
        start(recipe, tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match="epochs = 1; now it is 2"):
        start(recipe, tmp_path / "run", epochs=2, resume=True)


def test_two_trainings_do_not_share_a_folder(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    other = os.open(out, os.O_RDONLY)
    assert lock(other)  # as another process holds it
    with pytest.raises(UsageError, match="Another training is at work"):
        start(recipe, out)
    os.close(other)
    assert not list(out.iterdir())
    assert start(recipe, out, epochs=1).is_file()


def test_a_damaged_state_is_refused(recipe: Path, tmp_path: Path) -> None:
    start(recipe, tmp_path / "run", epochs=1)
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="not as it was written"):
        start(recipe, tmp_path / "run", epochs=1, resume=True)


def test_divergence_is_named(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text().replace("lr = 0.05", "lr = 10")
    recipe.write_text(text.replace("batch = 16", "batch = 2\nmomentum = 0.999"))
    with pytest.raises(GateError, match=r"diverged.*step"):
        start(recipe, tmp_path / "run")


def test_too_few_images_and_impossible_sizes(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text()
    recipe.write_text(text.replace("validation = 10", "validation = 50"))
    with pytest.raises(UsageError, match="less than one batch"):
        start(recipe, tmp_path / "a")
    recipe.write_text(text.replace("24]", "64]"))
    with pytest.raises(UsageError, match="64 pixels"):
        start(recipe, tmp_path / "b")


def test_every_shipped_network_has_a_recipe() -> None:
    assert find_recipe("att92", "cifar10").name == "att92_cifar10.toml"
    assert find_recipe("attn-simple", "tiny-imagenet").name == "tiny-imagenet.toml"
    assert find_recipe("att92", "cifar100").name == "default.toml"


def test_kill_leaves_a_whole_state(recipe: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of a real process; what it left resumes."""
    out = tmp_path / "run"
    script = (
        "from pathlib import Path; import sys; from ran_deploy.train import loop; loop._SAVE_EVERY_S = 0.0;"
        "from ran_deploy.train.run import train_network;"
        "train_network('att56', dataset='synthetic', data=None, out=Path(sys.argv[2]), recipe=Path(sys.argv[1]),"
        " epochs=1000, options={'width': 0.125, 'mask_depths': (1, 1, 1)})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script, str(recipe), str(out)], env=environment)
    deadline = time.monotonic() + 120
    while not (out / "state.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "att56_synthetic.safetensors").exists()
    state = load_file(out / "state.safetensors")
    assert any(name.endswith("momentum_buffer") for name in state)
