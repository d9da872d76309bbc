"""Every feature of a training: it does something, it is the same for the same seed, and it resumes exactly."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ran_deploy.errors import GateError
from ran_deploy.train import loop, watch
from ran_deploy.train.feeder import Feeder
from ran_deploy.train.group import Group
from ran_deploy.train.loop import Trainer
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.step import Stepper
from ran_deploy.train.validate import validate
from tests.train.small import PLAIN, StoppedError, make_trainer, silent, stop_after, train

FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no average": {"ema": 0.0},
    "adam": {"optimizer": "adam", "lr": 0.01},
    "exponential": {"schedule": "exponential", "decay_steps": 2, "gamma": 0.5},
    "step": {"schedule": "step", "milestones": (0.4, 0.7)},
    "accumulate": {"accumulate": 4},
    "mixtures": {"mixup": 0.4, "cutmix": 1.0, "ricap": 0.3, "plain_epochs": 1},
    "erasing": {"random_erasing": 0.5, "colour_jitter": 0.3},
    "resized": {"resized_crop": (0.3, 1.0)},
    "noise": {"label_noise": 0.4},
    "bf16": {"precision": "bf16"},
    "sizes": {"sizes": ((0.0, 8), (0.5, 12))},
}


@pytest.fixture(autouse=True)
def always_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", -1.0)


def content(out: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[list[Any]]]:
    """Return all that a run left, but for times."""
    with safe_open(out / "state.safetensors", "pt") as stored:
        counters = json.loads(stored.metadata()["counters"])
    counters.pop("elapsed_s")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rows = [[value for name, value in line.items() if not name.endswith("_s")] for line in lines]
    return load_file(out / "state.safetensors"), counters, rows


def same(one: Path, other: Path) -> bool:
    (first, *rest), (second, *others) = content(one), content(other)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return equal and rest == others


def stopped(out: Path, recipe: Recipe, steps: int, **options: Any) -> Trainer:
    """Train, or go on, for so many steps."""
    trainer = make_trainer(out, recipe, **options)
    trainer.resume()
    with pytest.raises(StoppedError):
        trainer.run(stop_after(steps))
    return trainer


@pytest.mark.parametrize("feature", FEATURES)
def test_a_stopped_training_resumes_to_the_same_bytes(tmp_path: Path, feature: str) -> None:
    recipe = replace(PLAIN, **FEATURES[feature])
    train(tmp_path / "whole", recipe)
    for steps in (1, 4):  # in the first epoch of three steps, and in the second
        stopped(tmp_path / "parts", recipe, steps)
    train(tmp_path / "parts", recipe, resume=True)
    assert same(tmp_path / "whole", tmp_path / "parts")
    if feature != "plain":
        train(tmp_path / "plain")
        assert not same(tmp_path / "whole", tmp_path / "plain")


def test_dropout_resumes_too_whatever_else_draws_random_numbers(tmp_path: Path) -> None:
    train(tmp_path / "whole", dropout=0.5)
    stopped(tmp_path / "parts", PLAIN, 4, dropout=0.5)
    torch.manual_seed(99)
    trainer = make_trainer(tmp_path / "parts", dropout=0.5)
    assert trainer.resume()
    torch.rand(7)
    trainer.run(silent)
    assert same(tmp_path / "whole", tmp_path / "parts")
    train(tmp_path / "without")
    assert not same(tmp_path / "whole", tmp_path / "without")


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        train(tmp_path / name, replace(PLAIN, seed=seed))
    assert same(tmp_path / "one", tmp_path / "again")
    assert not same(tmp_path / "one", tmp_path / "other")


def test_adams_state_is_stored(tmp_path: Path) -> None:
    trainer = train(tmp_path, replace(PLAIN, optimizer="adam", lr=0.01))
    stored = load_file(tmp_path / "state.safetensors")
    weight = trainer.state.optimizer.param_groups[0]["params"][0]
    assert stored["optimizer.0.step"].item() == 9
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(stored[f"optimizer.0.{name}"], trainer.state.optimizer.state[weight][name])
        assert stored[f"optimizer.0.{name}"].abs().max() > 0


def test_the_scale_of_the_loss_is_stored(tmp_path: Path) -> None:
    trainer = stopped(tmp_path, PLAIN, 1)
    trainer.state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    trainer.state.scaler.load_state_dict({**trainer.state.scaler.state_dict(), "_growth_tracker": 3})
    trainer.state.save(trainer.state_path)
    other = make_trainer(tmp_path)
    other.state.scaler = torch.amp.GradScaler("cpu")
    other.resume()
    assert other.state.scaler.state_dict() == trainer.state.scaler.state_dict()
    assert (other.state.scaler.get_scale(), other.state.scaler.state_dict()["_growth_tracker"]) == (8.0, 3)


def test_a_state_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    train(tmp_path / "whole")
    stopped(tmp_path / "old", PLAIN, 4)
    path = tmp_path / "old" / "state.safetensors"
    with safe_open(path, "pt") as stored:
        metadata = stored.metadata()
    identity, counters = json.loads(metadata["identity"]), json.loads(metadata["counters"])
    for name in ("optimizer", "accumulate", "mixup", "label_noise", "schedule"):
        del identity["recipe"][name]
    for name in ("mean_loss", "steps_above", "steps_stuck"):
        del counters[name]
    tensors = {
        name.replace("optimizer.", "momentum.").replace(".momentum_buffer", ""): tensor
        for name, tensor in load_file(path).items()
    }
    assert "momentum.0" in tensors
    save_file(tensors, path, {"identity": json.dumps(identity), "counters": json.dumps(counters)})
    train(tmp_path / "old", resume=True)
    (first, _, metrics), (second, _, others) = content(tmp_path / "whole"), content(tmp_path / "old")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert metrics == others


def test_losses_asked_for_every_other_step_are_the_same(tmp_path: Path) -> None:
    train(tmp_path / "each")
    trainer = make_trainer(tmp_path / "every other")
    trainer._look_every = 2
    trainer.run(silent)
    trainer = make_trainer(tmp_path / "parts")
    trainer._look_every = 2
    with pytest.raises(StoppedError):
        trainer.run(stop_after(5))
    trainer = make_trainer(tmp_path / "parts")
    trainer._look_every = 2
    assert trainer.resume()
    assert trainer.state.counters.step == 5
    trainer.run(silent)
    assert same(tmp_path / "every other", tmp_path / "parts")
    each, every_other = content(tmp_path / "each"), content(tmp_path / "every other")
    assert all(torch.equal(each[0][name], every_other[0][name]) for name in each[0])
    for row, other in zip(each[2], every_other[2], strict=True):
        assert other == pytest.approx(row)


def test_a_dead_training_ends_with_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PATIENCE", 4)
    trainer = make_trainer(tmp_path, replace(PLAIN, lr=1e-9, warmup_epochs=0.0))
    for parameter in trainer.state.model.layers[-1].parameters():  # type: ignore[index, union-attr]
        parameter.data.zero_()
    with pytest.raises(GateError, match="The training is dead: for 4 steps"):
        trainer.run(silent)


class _Brightness(nn.Module):
    """Knows the classes of the images of noise, by their brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.tensor([63.5, 103.5, 143.5, 183.5]) / 255)

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean((1, 2, 3))
        # Undo the normalization of CIFAR-10, roughly: classes are far apart.
        return -((mean[:, None] * 0.2516 + 0.4734 - self.middle) ** 2)


def test_validation_has_clean_labels_and_all_of_its_images(tmp_path: Path) -> None:
    recipe = replace(PLAIN, label_noise=1.0)
    trainer = make_trainer(tmp_path, recipe)
    examples = trainer.examples
    assert examples.noise is not None
    assert examples.noise.changed == examples.noise.count == len(examples.train)
    assert (examples.targets[examples.train] != examples.dataset.targets[examples.train]).all()
    assert examples.identity["wrong_labels"] == asdict(examples.noise)
    network = _Brightness()
    stepper = Stepper(nn.Linear(1, 1), torch.optim.SGD(network.parameters()), trainer.state.scaler, recipe, Group())
    with Feeder(examples.dataset, recipe, torch.device("cpu")) as feeder:
        assert validate(network, examples, feeder, stepper, Group()) == 100.0
        network.middle.data = network.middle.flip(0)
        assert validate(network, examples, feeder, stepper, Group()) == 0.0
