"""What a benchmark is asked for, and what it answers."""

from dataclasses import dataclass

from ran_deploy.bench.environment import Environment
from ran_deploy.bench.statistics import Summary
from ran_deploy.errors import UsageError
from ran_deploy.runtime.session import SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """How long to measure.

    Raises:
        UsageError: A value is out of range.
    """

    batches: tuple[int, ...] = (1, 8, 64)
    """Batch sizes, each measured on its own."""
    warmup_ms: int = 200
    """Least time of untimed runs before each batch size, in milliseconds; at least one run is made."""
    duration_s: float = 3.0
    """Least time to measure each batch size, in seconds."""
    iterations: int = 10
    """Least number of runs to measure at each batch size."""

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1:
            raise UsageError(f"The batch sizes are {list(self.batches)}; expected numbers of at least 1.")
        if len(set(self.batches)) != len(self.batches):
            raise UsageError(f"The batch sizes {list(self.batches)} name one twice.")
        if self.warmup_ms < 0 or not 0 <= self.duration_s < float("inf"):
            raise UsageError(f"The warm-up is {self.warmup_ms} ms and the duration {self.duration_s} s; expected ≥ 0.")
        if self.iterations < 1:
            raise UsageError(f"The number of iterations is {self.iterations}; expected at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Summary):
    """The statistics of one batch size."""

    batch: int
    images_per_s: float
    """Images over the wall-clock time of the whole measured loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What was measured, on what, with what."""

    engine: str
    session: SessionInfo
    boundary: str
    """What the clock covers."""
    inputs: str
    """What was fed."""
    percentile_rule: str
    load_s: float
    """Time to open the engine, without the imports of its runtime."""
    first_inference_ms: float
    """The very first run, with the first batch size: the cold start."""
    results: tuple[BatchResult, ...]
    peak_rss_bytes: int | None
    """The most memory that the process held, its libraries and the input buffers included."""
    options: BenchOptions
    environment: Environment
    """As it was before the measurement."""
