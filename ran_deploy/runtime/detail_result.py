"""What ``evaluate_in_detail`` finds."""

from dataclasses import dataclass

from ran_deploy.runtime.confidence import Calibration
from ran_deploy.runtime.confusion import ClassAccuracy, Matrix, Mistake
from ran_deploy.runtime.evaluate import EvalResult
from ran_deploy.runtime.paired import PairedAccuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptedAccuracy:
    """Accuracy on the same images made worse, in percent."""

    corruption: str
    """As it was asked for, such as "jpeg:50"."""
    description: str
    top1: float
    top1_ci95: tuple[float, float]
    """Wilson's 95% interval."""
    ece_points: float
    """Expected calibration error on these images."""
    mean_confidence: float
    against_clean: PairedAccuracy
    """The images made worse (candidate) against the same images as they are (reference)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailResult(EvalResult):
    """Accuracy of an engine, by class and beside its confidence."""

    calibration: Calibration
    labels: tuple[str, ...]
    """The classes in the order of the confusion matrix."""
    classes: tuple[ClassAccuracy, ...]
    confusion: Matrix
    """Images by true class (rows) and predicted class (columns)."""
    mistakes: tuple[Mistake, ...]
    """The most frequent confusions, at most ten."""
    corrupted: tuple[CorruptedAccuracy, ...]
    plot: str | None = None
    """The picture of reliability and confusion, where one was asked for."""
    report: str | None = None
    """The tables in Markdown, where they were asked for."""
