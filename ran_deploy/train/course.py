"""The course of a training: sums over an epoch, the watch over the loss, ``metrics.jsonl``, TensorBoard."""

from pathlib import Path

from torch import Tensor

from ran_deploy.train.event_log import EventLog
from ran_deploy.train.group import Group
from ran_deploy.train.metrics import EpochMetrics, parse_metrics, write_metrics
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.state import RunState
from ran_deploy.train.watch import Watch


class Course:
    """Keeps the books of one run.

    Args:
        state: The run's state, whose counters are kept here.
        recipe: The recipe.
        watch: Judges the loss.
        group: The processes; the first one writes.
        path: Where ``metrics.jsonl`` is.
    """

    def __init__(self, state: RunState, recipe: Recipe, watch: Watch, group: Group, path: Path) -> None:
        self.history: list[EpochMetrics] = []
        self.events = EventLog(None, 0)
        self._state, self._recipe, self._watch, self._group, self._path = state, recipe, watch, group, path

    def resume(self) -> None:
        """Take up the epochs that were over when the state was saved."""
        lines = self._group.share(self._path.read_bytes() if self._path.exists() else b"") or b""
        self.history = parse_metrics(lines.decode(), self._state.counters.step)

    def look(self, window: Tensor, steps: int) -> None:
        """Take in ``steps`` steps.

        Args:
            window: Sums over the steps: of this process's mean losses, and of its images that were right; emptied.
            steps: How many steps.

        Raises:
            GateError: The training diverged or is dead.
        """
        counters, batch = self._state.counters, self._recipe.batch
        loss, correct = self._group.sum(window).tolist()
        window.zero_()
        loss /= self._group.size
        self._watch.look(loss / steps, steps, counters)
        counters.loss_sum += loss * batch
        counters.correct += int(correct)
        counters.seen += steps * batch
        self.events.add_step(counters.step, loss / steps, self._lr)

    def end_epoch(self, epoch: int, size: int, val_top1: float | None) -> None:
        """Record an epoch, counted from 1, that was trained at ``size`` pixels."""
        counters = self._state.counters
        before_s = self.history[-1].elapsed_s if self.history else 0.0
        record = EpochMetrics(
            epoch=epoch,
            step=counters.step,
            size=size,
            lr=self._lr,
            train_loss=counters.loss_sum / counters.seen,
            train_top1=100 * counters.correct / counters.seen,
            val_top1=val_top1,
            images_per_s=counters.seen / max(counters.elapsed_s - before_s, 1e-9),
            elapsed_s=counters.elapsed_s,
        )
        self.history.append(record)
        if self._group.first:
            write_metrics(self._path, self.history)
        self.events.add_epoch(record)
        counters.loss_sum, counters.correct, counters.seen = 0.0, 0, 0

    def note(self) -> str:
        """Return how the run stands, for the line of progress."""
        epoch = min(len(self.history) + 1, self._recipe.epochs)
        note = f"epoch {epoch}/{self._recipe.epochs} · loss {self._state.counters.mean_loss:.3f}"
        if self.history and self.history[-1].val_top1 is not None:
            note += f" · val {self.history[-1].val_top1:.2f}%"
        return note

    @property
    def _lr(self) -> float:
        return float(self._state.optimizer.param_groups[0]["lr"])
