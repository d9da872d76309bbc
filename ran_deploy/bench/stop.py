"""When a measurement may end: not before it lasted long enough, and then as soon as it is precise enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.bench.statistics import median_interval, percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """The limits of one measurement."""

    runs: int
    """Least number of runs."""
    least_s: float
    most_s: float
    precision: float
    """Wanted half-width of the 95% interval of the median, as a share of the median."""

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"at least {self.runs} runs and {self.least_s:g} s; then until the 95% interval of the median is within "
            f"±{100 * self.precision:g}%, at most {self.most_s:g} s"
        )

    def reason(self, latencies: Sequence[float], elapsed_s: float) -> str | None:
        """Say why to stop, or None to go on.

        Args:
            latencies: All so far, in any unit; at least ``runs``.
            elapsed_s: Time measured so far, in seconds; at least ``least_s``.
        """
        width = relative_half_width(latencies)
        if width is not None and width <= self.precision:
            return f"the median is known to ±{100 * width:.2g}%"
        if elapsed_s >= self.most_s:
            known = "too few runs for an interval" if width is None else f"the median is known to ±{100 * width:.2g}%"
            return f"the most time, {self.most_s:g} s, was used up; {known}, ±{100 * self.precision:g}% was wanted"
        return None


def relative_half_width(latencies: Sequence[float]) -> float | None:
    """Return half the width of the median's 95% interval over the median; None below ten samples."""
    ordered = sorted(latencies)
    interval = median_interval(ordered)
    middle = percentile(ordered, 50)
    return None if interval is None or middle <= 0 else (interval[1] - interval[0]) / 2 / middle
