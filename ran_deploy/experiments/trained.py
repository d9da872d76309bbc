"""One network of an experiment with one seed: trained, tested and written down, resumable at any point."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ran_deploy.data.dataset import batches
from ran_deploy.errors import IntegrityError
from ran_deploy.experiments.definitions import Contender
from ran_deploy.experiments.setting import Data, Setting
from ran_deploy.json_files import read_json, write_json
from ran_deploy.progress import Progress
from ran_deploy.runtime.evaluate import EvalResult, Tally
from ran_deploy.runtime.open import open_engine
from ran_deploy.train.recipe import Recipe

if TYPE_CHECKING:
    from ran_deploy.train.run import TrainResult

_TEST_BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPoint:
    """One epoch of a training curve."""

    epoch: int
    train_loss: float
    """Mean loss of the epoch's training images, as they were augmented."""
    train_top1: float
    """Percent of them that were right when they were shown."""
    val_top1: float | None
    """Percent right of the images held out of the training split, after the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained and tested network; the content of its ``test.json``."""

    contender: str
    seed: int
    plan_sha256: str
    """The plan that it was trained by."""
    checkpoint: str
    """Relative to the experiment's folder."""
    checkpoint_sha256: str
    train_s: float
    """Time spent training, in seconds."""
    curve: tuple[EpochPoint, ...]
    top1: float
    """Percent of the test images whose likeliest class is right."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% interval of it: how sure the accuracy of these weights is."""
    top5: float | None
    predicted: tuple[int, ...]
    """The likeliest class of each test image, in the order of the plan's test images."""
    schema: Literal["ran-deploy.experiment-run/v1"] = "ran-deploy.experiment-run/v1"


def train_contender(
    contender: Contender, *, dataset: str, data: Data, recipe: Recipe, images: int, out: Path
) -> "TrainResult":
    """Train one network, or go on with it.

    Args:
        contender: The network.
        dataset: The name of the dataset.
        data: The images.
        recipe: How every network is trained; the network's own differences are added here.
        images: Training images.
        out: The folder of the run.
    """
    from ran_deploy.train.run import train_network

    return train_network(
        contender.arch,
        dataset=dataset,
        data=data.root,
        classes=data.classes,
        out=out,
        recipe=replace(recipe, **contender.recipe),
        images=images,
        resume=True,
        options=contender.options,
    )


def finish(setting: Setting, contender: Contender, seed: int) -> Trained:
    """Return a network's result, having trained and tested whatever was not done yet.

    Args:
        setting: The experiment, its plan and its images.
        contender: The network.
        seed: Seed of its weights, of the choice of training images and of their order.

    Raises:
        IntegrityError: The result there is damaged, or of another plan.
        GateError: The training diverged.
    """
    plan = setting.plan
    folder = setting.out / "runs" / f"{contender.name}_seed{seed}"
    path = folder / "test.json"
    if path.exists():
        trained = read_json(Trained, path)
        if (trained.plan_sha256, len(trained.predicted)) != (plan.sha256, plan.work.test_images):
            raise IntegrityError(f"{path} belongs to another plan.", fix=f"Remove {folder}, and it is trained again.")
        return trained
    result = train_contender(
        contender,
        dataset=setting.experiment.dataset,
        data=setting.data,
        recipe=replace(plan.recipe, seed=seed),
        images=plan.work.images,
        out=folder,
    )
    measured, predicted = _test(setting, contender, result.checkpoint)
    trained = Trained(
        contender=contender.name,
        seed=seed,
        plan_sha256=plan.sha256,
        checkpoint=result.checkpoint.relative_to(setting.out).as_posix(),
        checkpoint_sha256=measured.sha256,
        train_s=round(result.elapsed_s, 1),
        curve=_curve(result.metrics),
        top1=measured.top1,
        top1_ci95=measured.top1_ci95,
        top5=measured.top5,
        predicted=tuple(predicted.tolist()),
    )
    write_json(path, trained, indent=None)
    # Weights, average and optimizer, several times the checkpoint: of no use to a finished run.
    (folder / "state.safetensors").unlink(missing_ok=True)
    return trained


def _test(setting: Setting, contender: Contender, checkpoint: Path) -> tuple[EvalResult, npt.NDArray[np.int64]]:
    test, chosen = setting.data.test, setting.test_indices()
    with open_engine(checkpoint) as session, Progress(f"test {contender.name}", len(chosen), "images") as progress:
        tally = Tally(session, test)
        for part in batches(len(chosen), _TEST_BATCH):
            tally.add(test.batch(chosen[part]), chosen[part])
            progress.advance(len(part))
        return tally.result(), tally.classes


def _curve(metrics: Path) -> tuple[EpochPoint, ...]:
    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    fields = EpochPoint.__slots__
    return tuple(EpochPoint(**{name: record[name] for name in fields}) for record in records)
