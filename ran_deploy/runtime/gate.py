"""The accuracy gate: how many points a converted engine may lose, and what a sample can say about that.

A gate that looks at the two accuracies only would pass and fail by luck: 10,000 images with 2% of disagreements
leave ±0.28 points. So the verdict comes from the interval of the paired difference:

    PASS       the whole interval is above -max_drop: the drop is surely smaller. The gate passes.
    FAIL       the whole interval is below -max_drop: the drop is surely larger. The gate fails.
    UNDECIDED  -max_drop is inside: the sample is too small. The estimate itself decides, since a gate must:
               within max_drop it passes, with a warning that says how many images would settle it; beyond
               max_drop it fails, because it is for the candidate to show that it is good enough.
"""

from dataclasses import dataclass
from typing import Literal

from ran_deploy.errors import GateError, UsageError
from ran_deploy.runtime.paired import PairedAccuracy, tango_interval

DEFAULT_MAX_DROP = {"fp16": 0.1, "int8": 0.5}
"""Percentage points that an engine may lose, by the precision asked for."""
_MOST_IMAGES = 10**9
_ROUNDING = 1e-9

Verdict = Literal["PASS", "FAIL", "UNDECIDED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate says of a comparison."""

    max_drop: float
    """Percentage points that the candidate may lose."""
    verdict: Verdict
    passed: bool
    """Whether the gate lets the candidate through; UNDECIDED does where the estimate is within ``max_drop``."""
    images_needed: int | None
    """For UNDECIDED: about how many images would decide, if they went on disagreeing as seen; None where the
    estimate is so near to the limit that a billion would not."""
    summary: str
    """The verdict in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The rule by which a candidate is let through.

    Raises:
        UsageError: ``max_drop`` is not between 0 and 100.
    """

    max_drop: float
    """Percentage points of top-1 accuracy that the candidate may lose against the reference."""

    def __post_init__(self) -> None:
        if not 0 < self.max_drop < 100:
            raise UsageError(
                f"--max-drop is {self.max_drop}; expected percentage points between 0 and 100.",
                fix="Give 0.1 for a tenth of a point.",
            )

    def judge(self, paired: PairedAccuracy) -> GateResult:
        """Return the verdict on a comparison."""
        limit, (low, high) = -self.max_drop, paired.difference_ci95
        verdict: Verdict = "PASS" if low > limit else "FAIL" if high < limit else "UNDECIDED"
        within = paired.difference_points >= limit - _ROUNDING
        needed = _images_needed(paired, limit) if verdict == "UNDECIDED" else None
        return GateResult(
            max_drop=self.max_drop,
            verdict=verdict,
            passed=within if verdict == "UNDECIDED" else verdict == "PASS",
            images_needed=needed,
            summary=self._summary(verdict, paired.samples, needed, within=within),
        )

    def _summary(self, verdict: Verdict, samples: int, needed: int | None, *, within: bool) -> str:
        allowed = f"the allowed {self.max_drop:g} points"
        if verdict != "UNDECIDED":
            return f"{verdict}: the drop is {'below' if verdict == 'PASS' else 'above'} {allowed}, at 95% confidence."
        images = f"about {_two_digits(needed):,} images would" if needed else "no test set would"
        return (
            f"UNDECIDED: the estimate is {'within' if within else 'beyond'} {allowed}, but {samples:,} images are too "
            f"few to be sure; {images} decide."
        )


def require_gate(paired: PairedAccuracy, gate: Gate, *, candidate: str, reference: str) -> GateResult:
    """Judge a comparison and refuse a candidate that does not get through.

    Args:
        paired: The comparison.
        gate: The rule.
        candidate: What messages call the candidate, such as its path.
        reference: What they call the reference.

    Raises:
        GateError: The gate fails; ``details`` holds "paired" and "gate".
    """
    result = gate.judge(paired)
    if not result.passed:
        raise GateError(
            f"{candidate} is too inaccurate against {reference}: {statement(paired)} {result.summary}",
            fix="Use a higher precision for part of the model, other calibration, or allow more with --max-drop.",
            details={"paired": paired, "gate": result},
        )
    return result


def statement(paired: PairedAccuracy) -> str:
    """Return a comparison in one sentence."""
    low, high = paired.difference_ci95
    return (
        f"{paired.candidate_top1:.2f}% against {paired.reference_top1:.2f}%, {paired.difference_points:+.2f} points "
        f"(95% interval {low:+.2f} to {high:+.2f}) on {paired.samples:,} images."
    )


def _images_needed(paired: PairedAccuracy, limit: float) -> int | None:
    """Return the least number of images whose interval leaves out ``limit``, at the rates that were seen."""
    worse, better = (count / paired.samples for count in (paired.only_reference_right, paired.only_candidate_right))

    def decides(samples: int) -> bool:
        low, high = tango_interval(better * samples, worse * samples, samples)
        return not 100 * low <= limit <= 100 * high

    least, most = paired.samples, 2 * paired.samples
    while not decides(most):
        least, most = most, 2 * most
        if most > _MOST_IMAGES:
            return None
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if decides(middle) else (middle, most)
    return most


def _two_digits(count: int) -> int:
    """Round up to two digits: the estimate is no better than that."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step
