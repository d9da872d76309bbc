"""The training loop: resumable at any step, exact after a resume."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.errors import GateError
from ran_deploy.files import write_text
from ran_deploy.progress import Progress
from ran_deploy.train.augment import augment, to_input
from ran_deploy.train.device import use_bf16, use_compile
from ran_deploy.train.examples import Examples
from ran_deploy.train.optim import learning_rate, make_optimizer, update_average
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.state import Counters, RunState

_SAVE_EVERY_S = 120.0
_EVAL_BATCH = 250
_DIVERGED = 20.0
"""A loss of so many times that of guessing never comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """One line of ``metrics.jsonl``."""

    epoch: int
    step: int
    size: int
    lr: float
    train_loss: float
    train_top1: float
    val_top1: float | None
    images_per_s: float
    elapsed_s: float


class Trainer:
    """Trains one network on one data set in one folder.

    Args:
        model: The network, on its device; trained in place.
        examples: The images to learn from and to measure on.
        recipe: How to train.
        identity: What the run is (arch, dataset, options); stored with the state and compared on resume.
        out: The folder for ``state.safetensors`` and ``metrics.jsonl``.
    """

    def __init__(
        self, model: nn.Module, examples: Examples, recipe: Recipe, identity: dict[str, Any], out: Path
    ) -> None:
        self.recipe = recipe
        self.examples = examples
        self.dataset = examples.dataset
        self.device = next(model.parameters()).device
        self.state_path = out / "state.safetensors"
        self.metrics_path = out / "metrics.jsonl"
        self.history: list[EpochMetrics] = []
        self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._train, self._val = examples.train, examples.validation
        self._steps_per_epoch = len(self._train) // recipe.batch
        self._bf16 = use_bf16(recipe, self.device)
        self._forward: Callable[[Tensor], Tensor] = (
            torch.compile(self._model) if use_compile(recipe, self.device) else self._model
        )
        self.state = RunState(
            model=self._model,
            average=copy.deepcopy(self._model).eval(),
            optimizer=make_optimizer(self._model, recipe),
            identity={**identity, "recipe": asdict(recipe), **examples.identity},
        )

    def resume(self) -> bool:
        """Go on from the state in the folder, if there is one."""
        if not self.state_path.exists():
            return False
        self.state.load(self.state_path)
        done = self.state.counters.step
        lines = self.metrics_path.read_text().splitlines() if self.metrics_path.exists() else []
        records = [EpochMetrics(**json.loads(line)) for line in lines]
        self.history = [record for record in records if record.step <= done]
        return True

    def run(self, progress: Progress) -> nn.Module:
        """Train to the end of the recipe and return the network to ship, in evaluation mode.

        Raises:
            GateError: The loss is no longer a finite number.
        """
        counters = self.state.counters
        total = self.recipe.epochs * self._steps_per_epoch
        sitting_s, saved_s = time.monotonic() - counters.elapsed_s, time.monotonic()
        order = np.empty(0, dtype=np.int64)
        while counters.step < total:
            epoch, position = divmod(counters.step, self._steps_per_epoch)
            if position == 0 or not order.size:
                order = np.random.default_rng((self.recipe.seed, epoch)).permutation(self._train)
            self._step(order[position * self.recipe.batch : (position + 1) * self.recipe.batch], counters, total)
            counters.elapsed_s = time.monotonic() - sitting_s
            progress.advance(self.recipe.batch, f"epoch {epoch + 1}/{self.recipe.epochs}{self._note(counters)}")
            if counters.step % self._steps_per_epoch == 0:
                self._end_epoch(epoch, counters, total)
            if counters.step % self._steps_per_epoch == 0 or time.monotonic() - saved_s > _SAVE_EVERY_S:
                self.state.save(self.state_path)
                saved_s = time.monotonic()
        return self._shipped().eval()

    @property
    def images_left(self) -> int:
        """Training images still to be processed."""
        return (self.recipe.epochs * self._steps_per_epoch - self.state.counters.step) * self.recipe.batch

    def _step(self, indices: np.ndarray[Any, np.dtype[np.int64]], counters: Counters, total: int) -> None:
        recipe, info = self.recipe, self.dataset.info
        rng = np.random.default_rng((recipe.seed, 1, counters.step))
        images = torch.from_numpy(self.dataset.batch(indices)).to(self.device, non_blocking=True)
        targets = torch.from_numpy(self.dataset.targets[indices]).to(self.device, non_blocking=True)
        images = augment(images, rng, recipe)
        inputs = to_input(images, info.mean, info.std, recipe.size_at(counters.step / total, info.size))
        for group in self.state.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, counters.step, self._steps_per_epoch)
        self._model.train()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bf16):
            logits = self._forward(inputs)
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
        self.state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        value = loss.item()
        if not value < _DIVERGED * math.log(len(self.dataset.labels)):  # not-a-number compares false
            raise GateError(
                f"The training diverged: the loss is {value:.3g} at step {counters.step}.",
                fix="Lower lr or lengthen warmup_epochs in the recipe, and start again in another folder.",
            )
        self.state.optimizer.step()
        if recipe.ema:
            update_average(self.state.average, self._model, recipe.ema)
        counters.step += 1
        counters.loss_sum += value * len(indices)
        counters.correct += int((logits.argmax(1) == targets).sum())
        counters.seen += len(indices)

    def _end_epoch(self, epoch: int, counters: Counters, total: int) -> None:
        before_s = self.history[-1].elapsed_s if self.history else 0.0
        record = EpochMetrics(
            epoch=epoch + 1,
            step=counters.step,
            size=self.recipe.size_at((counters.step - 1) / total, self.dataset.info.size),
            lr=self.state.optimizer.param_groups[0]["lr"],
            train_loss=counters.loss_sum / counters.seen,
            train_top1=100 * counters.correct / counters.seen,
            val_top1=self._validate(),
            images_per_s=counters.seen / max(counters.elapsed_s - before_s, 1e-9),
            elapsed_s=counters.elapsed_s,
        )
        self.history.append(record)
        write_text(self.metrics_path, "".join(json.dumps(asdict(line)) + "\n" for line in self.history))
        counters.loss_sum, counters.correct, counters.seen = 0.0, 0, 0

    @torch.no_grad()
    def _validate(self) -> float | None:
        if not len(self._val):
            return None
        info, network, correct = self.dataset.info, self._shipped().eval(), 0
        for start in range(0, len(self._val), _EVAL_BATCH):
            indices = self._val[start : start + _EVAL_BATCH]
            images = torch.from_numpy(self.dataset.batch(indices)).to(self.device)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bf16):
                logits = network(to_input(images, info.mean, info.std, info.size))
            correct += int((logits.argmax(1).cpu() == torch.from_numpy(self.dataset.targets[indices])).sum())
        return 100 * correct / len(self._val)

    def _shipped(self) -> nn.Module:
        return self.state.average if self.recipe.ema else self._model

    def _note(self, counters: Counters) -> str:
        note = f" · loss {counters.loss_sum / max(counters.seen, 1):.3f}"
        if self.history and self.history[-1].val_top1 is not None:
            note += f" · val {self.history[-1].val_top1:.2f}%"
        return note
