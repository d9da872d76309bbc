"""The course of a training for TensorBoard."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ran_deploy.optional import require
from ran_deploy.train.metrics import EpochMetrics

_EVERY_STEPS = 20


class EventLog:
    """Writes an event file into a folder; does nothing without one. A context manager.

    Args:
        folder: The folder; a resumed run adds a file to it, and TensorBoard drops what the run before it had
            written of later steps.
        step: Optimizer steps done.

    Raises:
        MissingError: The package tensorboard is not installed.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        if folder is not None:
            require("tensorboard", "--tensorboard")
            from torch.utils.tensorboard import SummaryWriter  # torch's part, which needs the package

            self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            self._writer.close()

    def add_step(self, step: int, loss: float, lr: float) -> None:
        """Add the loss and learning rate of a step, of one in twenty."""
        if self._writer is not None and step % _EVERY_STEPS == 0:
            self._writer.add_scalar("step/loss", loss, step)
            self._writer.add_scalar("step/lr", lr, step)

    def add_epoch(self, record: EpochMetrics) -> None:
        """Add what an epoch ended with."""
        if self._writer is None:
            return
        for name in ("train_loss", "train_top1", "val_top1", "images_per_s", "size"):
            value = getattr(record, name)
            if value is not None:
                self._writer.add_scalar(f"epoch/{name}", value, record.step)
        self._writer.flush()
