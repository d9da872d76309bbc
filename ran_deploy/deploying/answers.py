"""What an engine answers on the test images, kept as a file: compared in pairs later, without running it again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ran_deploy.bench.pareto_points import Judged
from ran_deploy.errors import UsageError
from ran_deploy.json_files import read_json, write_json
from ran_deploy.runtime.evaluate import EvalResult
from ran_deploy.runtime.paired import PairedAccuracy, compare_predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The accuracy of one engine, and its answer to each image.

    Raises:
        UsageError: The answers are not as many as the images.
    """

    result: EvalResult
    classes: tuple[int, ...]
    """The likeliest class of each image."""
    correct: str
    """Whether that is right, a "1" or a "0" for each image."""

    def __post_init__(self) -> None:
        if not len(self.classes) == len(self.correct) == self.result.samples or set(self.correct) - {"0", "1"}:
            raise UsageError(
                f"There are {len(self.classes)} classes and {len(self.correct)} verdicts for "
                f"{self.result.samples} images."
            )

    @property
    def judged(self) -> Judged:
        """The same, as the Pareto measurement takes it."""
        correct = np.frombuffer(self.correct.encode(), np.uint8) == ord("1")
        return Judged(self.result, correct, np.asarray(self.classes, np.int64))

    def against(self, reference: "Answers") -> PairedAccuracy:
        """Compare with a reference on the same images."""
        mine, theirs = self.judged, reference.judged
        return compare_predictions(theirs.correct, mine.correct, theirs.classes, mine.classes)


def write_answers(path: Path, judged: Judged) -> None:
    """Write what an engine answered, atomically.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    answers = Answers(
        result=judged.accuracy,
        classes=tuple(int(index) for index in judged.classes),
        correct="".join("1" if right else "0" for right in judged.correct),
    )
    write_json(path, answers, indent=None)


def read_answers(path: Path) -> Answers:
    """Read what :func:`write_answers` wrote.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is damaged.
    """
    return read_json(Answers, path)
