"""The training loop: resumable at any step, exact after a resume."""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ran_deploy.train.course import Course
from ran_deploy.train.examples import Examples
from ran_deploy.train.feeder import Feeder
from ran_deploy.train.group import Group
from ran_deploy.train.inputs import Inputs
from ran_deploy.train.optim import make_optimizer, update_average
from ran_deploy.train.order import Order
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.schedule import learning_rate
from ran_deploy.train.state import RunState
from ran_deploy.train.step import Stepper
from ran_deploy.train.validate import validate
from ran_deploy.train.watch import Watch

_SAVE_EVERY_S = 120.0
_GPU_LOOK_EVERY = 10
"""Steps after which a GPU is asked for its losses; asked for each, it would wait for the next step to be launched."""
_OWN_STREAM = (0, 0, 2)
"""Behind the seed: what dropout draws; differs from the streams (seed, epoch) and (seed, 1, step)."""


class Trainer:
    """Trains one network on one data set in one folder.

    Args:
        model: The network, on its device; trained in place.
        examples: The images to learn from and to measure on.
        recipe: How to train.
        identity: What the run is (arch, dataset, options); stored with the state and compared on resume.
        out: The folder for ``state.safetensors`` and ``metrics.jsonl``, which the group's first process writes.
        group: The processes that train together.
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        recipe: Recipe,
        identity: dict[str, Any],
        out: Path,
        *,
        group: Group,
    ) -> None:
        self.recipe = recipe
        self.examples = examples
        self.group = group
        self.device = next(model.parameters()).device
        self.state_path = out / "state.safetensors"
        self.metrics_path = out / "metrics.jsonl"
        self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._order = Order(examples.train, recipe)
        self._look_every = _GPU_LOOK_EVERY if self.device.type == "cuda" else 1
        scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.state = RunState(
            model=self._model,
            average=copy.deepcopy(self._model).eval(),
            optimizer=make_optimizer(self._model, recipe),
            scaler=scaler,
            identity={**identity, "recipe": asdict(recipe), **examples.identity},
        )
        watch = Watch(recipe, len(examples.dataset.labels), self._order.steps_per_epoch)
        self.course = Course(self.state, recipe, watch, self.group, self.metrics_path)
        self._stepper = Stepper(self._model, self.state.optimizer, scaler, recipe, self.group)

    def resume(self) -> bool:
        """Go on from the state in the first process's folder, if there is one.

        Raises:
            UsageError: It is of a run with other settings.
            IntegrityError: It is damaged.
        """
        data = self.group.share(self.state_path.read_bytes() if self.state_path.exists() else None)
        if data is None:
            return False
        self.state.restore(data, self.state_path)
        self.course.resume()
        return True

    def run(self, advance: Callable[[int, str], None]) -> nn.Module:
        """Train to the end of the recipe and return the network to ship, in evaluation mode.

        Args:
            advance: Is told after each step of how many images, and how the run stands.

        Raises:
            GateError: The training diverged or is dead.
            IntegrityError: An image file is corrupt or gone.
        """
        counters, per_epoch = self.state.counters, self._order.steps_per_epoch
        started_s, saved_s = time.monotonic() - counters.elapsed_s, time.monotonic()
        window = torch.zeros(2, dtype=torch.float64, device=self.device)
        with Feeder(self.examples.dataset, self.recipe, self.device) as feeder:
            inputs = Inputs(self.examples, feeder.recipe, self.group, self._order.total)
            for images in feeder.steps(self._order.after(counters.step), inputs.own):
                window += self._step(inputs, images)
                place = (counters.step - 1) % per_epoch + 1
                if place % self._look_every == 0 or place == per_epoch:
                    counters.elapsed_s = time.monotonic() - started_s
                    self.course.look(window, (place - 1) % self._look_every + 1)
                    if place == per_epoch:
                        right = validate(self._shipped(), self.examples, feeder, self._stepper, self.group)
                        self.course.end_epoch(counters.step // per_epoch, inputs.size(counters.step - 1), right)
                    # Saved only where the books are up to date.
                    if place == per_epoch or time.monotonic() - saved_s > _SAVE_EVERY_S:
                        self._save()
                        saved_s = time.monotonic()
                advance(self.recipe.batch, self.course.note())
        return self._shipped().eval()

    @property
    def images_left(self) -> int:
        """Training images still to be processed."""
        return (self._order.total - self.state.counters.step) * self.recipe.batch

    def _step(self, inputs: Inputs, images: Tensor) -> Tensor:
        counters, recipe = self.state.counters, self.recipe
        stream = np.random.SeedSequence((recipe.seed, *_OWN_STREAM, counters.step, self.group.rank))
        torch.manual_seed(int(stream.generate_state(1)[0]))
        parts = inputs.parts(counters.step, self._order.at(counters.step), images)
        seen = self._stepper.step(parts, learning_rate(recipe, counters.step, self._order.steps_per_epoch))
        if recipe.ema:
            update_average(self.state.average, self._model, recipe.ema)
        counters.step += 1
        return seen

    def _save(self) -> None:
        if self.group.first:
            self.state.save(self.state_path)

    def _shipped(self) -> nn.Module:
        return self.state.average if self.recipe.ema else self._model
