"""``metrics.jsonl``: one line for each epoch of a run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ran_deploy.files import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics:
    """One line of ``metrics.jsonl``."""

    epoch: int
    """Counted from 1."""
    step: int
    """Optimizer steps done."""
    size: int
    """Height and width of the images, in pixels."""
    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float
    """Mean over the epoch of the loss that was minimized: soft and noisy labels included."""
    train_top1: float
    """Percent of the images, as augmented, whose likeliest class is the largest of its label."""
    val_top1: float | None
    """Percent right of the images held out, with their own labels; None: none are held out."""
    images_per_s: float
    elapsed_s: float
    """Time spent training until then, over all sittings."""


def write_metrics(path: Path, history: Sequence[EpochMetrics]) -> None:
    """Write the whole history of a run atomically."""
    write_text(path, "".join(json.dumps(asdict(record)) + "\n" for record in history))


def parse_metrics(text: str, step: int) -> list[EpochMetrics]:
    """Return the epochs that were over after ``step`` steps; later ones are trained again."""
    records = [EpochMetrics(**json.loads(line)) for line in text.splitlines()]
    return [record for record in records if record.step <= step]
