"""``train_network``: from a recipe and images to a checkpoint with its manifest, metrics and curves."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ran_deploy.arch.checkpoint import CheckpointInfo, load_checkpoint, save_weights
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.few_classes import few_classes
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import UsageError
from ran_deploy.files import require_writable, sha256_bytes, sha256_file
from ran_deploy.json_files import json_digest
from ran_deploy.locks import lock
from ran_deploy.manifest import Manifest, Parent, publish, verified_manifest
from ran_deploy.progress import Progress
from ran_deploy.train.curves import plot_curves
from ran_deploy.train.describe import describe
from ran_deploy.train.device import check_device, pick_device
from ran_deploy.train.event_log import EventLog
from ran_deploy.train.examples import choose_examples
from ran_deploy.train.group import join_group
from ran_deploy.train.loop import Trainer
from ran_deploy.train.metrics import EpochMetrics
from ran_deploy.train.plan import find_recipe, make_plan
from ran_deploy.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training run produced."""

    checkpoint: Path
    metrics: Path
    curves: Path
    epochs: int
    elapsed_s: float
    last: EpochMetrics
    manifest: Manifest


def train_network(
    arch: str,
    *,
    dataset: str,
    data: Path | None,
    out: Path,
    recipe: Path | Recipe | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    images: int | None = None,
    classes: int | None = None,
    label_noise: float | None = None,
    resume: bool = False,
    init: Path | None = None,
    options: Mapping[str, Any] | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a network and write ``<out>/<arch>_<dataset>.safetensors`` with its manifest.

    Started by ``torchrun``, the processes share each batch and train what one process would, up to rounding; the
    first one writes the files, and in the others the result's manifest has no hash.

    Args:
        arch: A registered network.
        dataset: A dataset of the catalog.
        data: Its folder; None for ``synthetic``.
        out: Folder for the checkpoint, ``state.safetensors``, ``metrics.jsonl`` and ``curves.png``.
        recipe: A recipe file or a shipped recipe's name, or the recipe itself; by default the shipped one for this
            network and dataset.
        epochs: Overrides the recipe's number of epochs.
        seed: Overrides the recipe's seed.
        images: Learn from so many images of the training split, the same number of each class, chosen by the seed;
            None: from all. The validation images are held out besides.
        classes: Learn only so many of the dataset's classes, as :func:`ran_deploy.data.few_classes.few_classes` draws
            them; None: all. The network then has no others.
        label_noise: Overrides the recipe's probability that a training label is replaced by another.
        resume: Go on from the state in ``out``, if there is one.
        init: A checkpoint of the same network and classes to start from (fine-tuning); None: random weights.
        options: The network's options (``RanOptions``); with ``init``, those of its checkpoint.
        tensorboard: Also write ``<out>/tensorboard`` for TensorBoard.

    Raises:
        UsageError: An unknown name, a checkpoint of another network, a wrong recipe or option, or a folder that
            holds another run, or in which another process trains.
        IntegrityError: Damaged images, or a damaged state.
        GateError: The training diverged or is dead.
        MissingError: A package is missing, or a GPU for one of several processes.
    """
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(join_group())
        stack.enter_context(_fast_matmul())
        plan, from_file = make_plan(
            recipe or find_recipe(arch, dataset),
            dataset_info(dataset),
            epochs=epochs,
            seed=seed,
            label_noise=label_noise,
        )
        device = pick_device(group)
        check_device(plan, device, group)
        if group.first:
            _refuse_other_run(out, resume=resume)
        whole = few_classes(open_dataset(dataset, data, "train"), classes)
        if group.first:  # after all that can be wrong about the images, so that no folder is left behind
            require_writable(out / "state.safetensors")
            stack.enter_context(_held(out))
        examples = choose_examples(whole, plan, images)
        torch.manual_seed(plan.seed)
        labels = examples.dataset.labels
        info = CheckpointInfo(
            arch=arch, dataset=dataset, classes=len(labels), labels=labels, options=dict(options or {})
        )
        parents = list(from_file)
        if init is None:
            model: nn.Module = create_model(arch, dataset, info.classes, **info.options)
        else:
            model, info = _start_from(init, info)
            parents.append(Parent(role="checkpoint", name=init.name, sha256=sha256_file(init)))
        identity = {"arch": arch, "dataset": dataset, "options": info.options}
        if init is not None:
            identity["init"] = parents[-1].sha256
        trainer = Trainer(model.to(device), examples, plan, identity, out, group=group)
        group.require_same(_digest(trainer))
        if resume:
            trainer.resume()
        network = _run(trainer, f"train {arch} on {dataset}", out / "tensorboard" if tensorboard else None)
        return _publish(trainer, network, info, tuple(parents), out)


def _run(trainer: Trainer, what: str, events: Path | None) -> nn.Module:
    if not trainer.group.first:
        return trainer.run(lambda _images, _note: None)
    with (
        Progress(what, trainer.images_left, "images") as progress,
        EventLog(events, trainer.state.counters.step) as trainer.course.events,
    ):
        return trainer.run(progress.advance)


def _publish(
    trainer: Trainer, network: nn.Module, info: CheckpointInfo, parents: tuple[Parent, ...], out: Path
) -> TrainResult:
    checkpoint, curves = out / f"{info.arch}_{info.dataset}.safetensors", out / "curves.png"
    manifest = describe(info, trainer, parents)
    if trainer.group.first:
        manifest = publish(checkpoint, lambda path: save_weights(path, network, info), manifest)
        plot_curves(trainer.course.history, f"{info.arch} on {info.dataset}", curves)
    return TrainResult(
        checkpoint=checkpoint,
        metrics=trainer.metrics_path,
        curves=curves,
        epochs=trainer.recipe.epochs,
        elapsed_s=trainer.state.counters.elapsed_s,
        last=trainer.course.history[-1],
        manifest=manifest,
    )


def _digest(trainer: Trainer) -> str:
    return json_digest({"run": trainer.state.identity, "targets": sha256_bytes(trainer.examples.targets.tobytes())})


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep other trainings out of a folder."""
    folder = os.open(out, os.O_RDONLY)
    try:
        if not lock(folder):
            raise UsageError(
                f"Another training is at work in {out}.",
                fix="Wait until it is done, or take another folder with --out.",
            )
        yield
    finally:
        os.close(folder)


def _refuse_other_run(out: Path, *, resume: bool) -> None:
    if not resume and (out / "state.safetensors").exists():
        raise UsageError(
            f"{out} already holds a training run.",
            fix="Add --resume to go on with it, or choose another folder with --out.",
        )


@contextlib.contextmanager
def _fast_matmul() -> Iterator[None]:
    previous = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(previous)


def _start_from(path: Path, wanted: CheckpointInfo) -> tuple[nn.Module, CheckpointInfo]:
    verified_manifest(path)
    model, info = load_checkpoint(path)
    if (info.arch, info.labels) != (wanted.arch, wanted.labels):
        raise UsageError(
            f"{path} is a checkpoint of {info.arch} with {info.classes} classes; {wanted.arch} with the "
            f"{wanted.classes} classes of {wanted.dataset} is to be trained.",
            fix="Start from a checkpoint of the same network and labels, or leave --init out.",
        )
    if wanted.options:
        raise UsageError("The network's options come from the checkpoint given.", fix="Leave them out.")
    return model, replace(info, dataset=wanted.dataset)
