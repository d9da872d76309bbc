"""What a comparison is asked for, and what it answers."""

from dataclasses import dataclass
from typing import Any, Literal

from ran_deploy.bench.compare_interval import TimeRatio, least_paired
from ran_deploy.bench.compare_verdict import DEFAULT_MARGIN, MOST_ROUNDS, Verdict
from ran_deploy.bench.environment import Environment
from ran_deploy.bench.interleave import SETTLE_MS, Rounds
from ran_deploy.errors import UsageError
from ran_deploy.runtime.lineage import Ancestor

Metric = Literal["latency", "throughput"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How to measure and to judge.

    Raises:
        UsageError: A value is out of range.
    """

    batches: tuple[int, ...] = (1, 64)
    """Batch sizes, each compared on its own."""
    rounds: int = 40
    """How often each engine has its turn at each batch size, before the first look."""
    max_rounds: int | None = None
    """While the verdict is AMBIGUOUS the rounds are doubled, up to this number; None: twice, where there are enough for
    the wider interval that several looks need."""
    duration_s: float = 8.0
    """Least time to measure each engine at each batch size, over all rounds, in seconds."""
    settle_ms: int = SETTLE_MS
    """Least untimed time before each turn, in milliseconds."""
    margin: float = DEFAULT_MARGIN
    """Largest relative difference of time that counts as none; 0: every sure difference counts."""
    metric: Metric = "latency"
    """What the verdict is about: the median latency, or the time per image of the whole turn."""
    fail_on_regression: float | None = None
    """By how much, as a share of A's time, B may be slower; None: any."""

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) != len(self.batches):
            raise UsageError(f"The batch sizes are {list(self.batches)}; expected different numbers of at least 1.")
        if not least_paired(1) <= self.rounds <= MOST_ROUNDS:
            raise UsageError(
                f"The number of rounds is {self.rounds}; expected {least_paired(1)} to {MOST_ROUNDS}.",
                fix=f"Fewer than {least_paired(1)} rounds have no 95% interval; 40 is a good number.",
            )
        if self.max_rounds is not None and not self.rounds <= self.max_rounds <= MOST_ROUNDS:
            raise UsageError(f"--max-rounds is {self.max_rounds}; expected {self.rounds} to {MOST_ROUNDS}.")
        if self.rounds < least_paired(len(self.looks)):
            raise UsageError(
                f"{self.rounds} rounds are too few to look {len(self.looks)} times.",
                fix="Give more --rounds, or fewer --max-rounds.",
            )
        if not 0 <= self.duration_s < float("inf") or self.settle_ms < 0:
            raise UsageError(f"The duration is {self.duration_s} s and --settle {self.settle_ms} ms; expected ≥ 0.")
        for name, share in (("--margin", self.margin), ("--fail-on-regression", self.fail_on_regression)):
            if share is not None and not 0 <= share < 1:
                raise UsageError(f"{name} is {share:g}; expected a share such as 3% or 0.03, from 0 to below 1.")

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many rounds the verdict is looked at; each is the last that is needed if it is not AMBIGUOUS."""
        most = self.max_rounds
        if most is None:
            most = min(4 * self.rounds, MOST_ROUNDS) if self.rounds >= least_paired(3) else self.rounds
        found = [self.rounds]
        while found[-1] < most:
            found.append(min(2 * found[-1], most))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two that are compared."""

    engine: str
    sha256: str
    size_bytes: int | None
    """None where the file is not here: a result file of another machine."""
    runtime: str
    provider: str
    device: str
    precision: str
    """The types that really run, as far as the runtime tells."""
    threads: int
    versions: dict[str, str]
    lineage: tuple[Ancestor, ...] = ()
    accuracy: dict[str, Any] | None = None
    """What the manifest says of its accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchComparison:
    """Both sides at one batch size."""

    batch: int
    scenario: str
    boundary: str
    """What the clock covers."""
    a: Rounds
    b: Rounds
    latency: TimeRatio
    """Median latency of B over A's."""
    time_per_image: TimeRatio | None
    """B's wall-clock time per image over A's: the inverse of the ratio of throughputs; None for result files."""
    verdict: Verdict
    """By the metric that was asked for."""
    regressed: bool
    """Whether B is surely slower by more than ``fail_on_regression``; False where none was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """Two engines, or two result files, side by side."""

    a: Side
    b: Side
    relation: str
    """How the two files are related, in one sentence."""
    comparisons: tuple[BatchComparison, ...]
    regressions: tuple[int, ...]
    """Batch sizes at which B is surely slower by more than ``fail_on_regression``."""
    rule: str
    """How verdicts are made."""
    order: str
    """How the measurements were taken."""
    inputs: str
    """What was fed."""
    remarks: tuple[str, ...]
    """What limits the comparison."""
    options: CompareOptions
    environment: Environment
    """The machine before the measurement; of two result files: B's."""
