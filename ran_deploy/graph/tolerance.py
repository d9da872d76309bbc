"""How much two engines may differ, by the precision of the less precise one."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from ran_deploy.errors import UsageError
from ran_deploy.graph.parity import ParityMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What two engines may differ by; None: not looked at."""

    atol: float | None
    """Largest difference of a logit."""
    agreement: float
    """Smallest fraction of images with the same top-1 class; 1: all but ties, within 2·``atol`` of each other."""

    def holds(self, metrics: ParityMetrics) -> bool:
        """Whether every logit is finite and the metrics are within the rule; below 1, one flip is always allowed."""
        if metrics.not_finite or (self.atol is not None and metrics.max_abs > self.atol):
            return False
        if self.agreement == 1 and self.atol is not None:
            return metrics.largest_flip_margin <= 2 * self.atol
        return metrics.flips <= max(1, math.floor(metrics.images * (1 - self.agreement) + 1e-9))

    def text(self) -> str:
        """Describe the rule in words."""
        largest = "" if self.atol is None else f"max abs ≤ {self.atol:g} and "
        ties = " but for ties" if self.agreement == 1 else ""
        return f"{largest}top-1 agreement ≥ {100 * self.agreement:g}%{ties}"


_TOLERANCES = {
    "fp32": Tolerance(atol=1e-4, agreement=1.0),
    "fp16": Tolerance(atol=5e-2, agreement=0.995),
    "int8": Tolerance(atol=None, agreement=0.98),
}


def tolerance_for(precisions: Collection[str], atol: float | None = None) -> Tolerance:
    """Return the rule for engines of these precisions ("fp32", "fp16", "int8"); ``atol`` overrides its own."""
    lowest = next((precision for precision in ("int8", "fp16") if precision in precisions), "fp32")
    rule = _TOLERANCES[lowest]
    return rule if atol is None else replace(rule, atol=atol)


def check_atol(atol: float | None) -> None:
    """Check an option that overrides a tolerance; None: it was not given.

    Raises:
        UsageError: It is not a finite number above 0.
    """
    if atol is not None and not (math.isfinite(atol) and atol > 0):
        raise UsageError(f"atol is {atol}; expected a finite number above 0.")
