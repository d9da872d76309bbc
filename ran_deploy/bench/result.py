"""What a benchmark answers."""

from dataclasses import dataclass

from ran_deploy.bench.activity import Activity
from ran_deploy.bench.against_parent import AgainstParent
from ran_deploy.bench.environment import Environment
from ran_deploy.bench.options import BenchOptions
from ran_deploy.bench.search import Search
from ran_deploy.bench.statistics import Summary
from ran_deploy.manifest import Parent
from ran_deploy.runtime.session import SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileEstimate:
    """One percentile, with its uncertainty."""

    percent: float
    needs: int
    """Samples that it needs."""
    ms: float | None
    """None: too few samples."""
    ci95_ms: tuple[float, float] | None
    """95% interval from order statistics, for independent samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLoad:
    """What the server scenario adds to a series of latencies."""

    offered_qps: float
    """Queries per second that were due."""
    achieved_qps: float
    """Queries per second that were answered."""
    workers: int
    scheduled: int
    """Queries of the schedule."""
    served: int
    mean_wait_ms: float
    """Mean time between the moment that a query was due and the one that it began."""
    kept_up: bool
    """Whether all were served, at no less than 95% of the rate at which they were due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Summary):
    """The statistics of one batch size at one boundary, over all processes."""

    batch: int
    images_per_s: float
    """Images over the wall-clock time of the whole measured loop; at the boundary "device" over the device's own."""
    boundary: str
    """Name of the timed boundary: "engine", "end-to-end" or "device"."""
    images_per_s_ci95: tuple[float, float] | None
    """From the interval of the mean latency; None for the server scenario, whose rate is given."""
    mean_ci95_ms: tuple[float, float] | None
    """Block bootstrap; None below 30 samples."""
    p99_ci95_ms: tuple[float, float] | None
    """Block bootstrap; None where the percentile has too few samples."""
    percentiles: tuple[PercentileEstimate, ...]
    """Those that were asked for."""
    headline: PercentileEstimate
    """The percentile by which the scenario is judged."""
    run_averages_ms: tuple[float, ...]
    """Mean of each ``average_runs`` runs in a row, within one process; fewer at the end are left out."""
    stop: str
    """Why the measurement ended."""
    stability: str
    """The verdict in words."""
    server: ServerLoad | None
    process_p50_ms: tuple[float, ...]
    """The median of each process, in turn."""
    process_spread: float | None
    """Difference of the largest and the smallest of them over the median of all; None for one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStart:
    """What a process did before it was warm."""

    load_s: float
    first_inference_ms: float
    peak_rss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What was measured, on what, with what."""

    engine: str
    scenario: str
    """Its name and what it means."""
    session: SessionInfo
    boundary: str
    """What the clock covers, for the first boundary that was timed."""
    boundaries: dict[str, str]
    """The same for each boundary, by name."""
    inputs: str
    """What was fed."""
    percentile_rule: str
    interval_rule: str
    stop_rule: str
    load_s: float
    """Time to open the engine, without the imports of its runtime; of the first process."""
    first_inference_ms: float
    """The very first run, with the first batch size: the cold start; of the first process."""
    starts: tuple[ProcessStart, ...]
    """The same for each process."""
    results: tuple[BatchResult, ...]
    search: Search | None
    """The search of the highest rate, where it was asked for."""
    against_parent: AgainstParent | None
    """The comparison of an FP16 or INT8 engine with its float32 parent."""
    notes: tuple[str, ...]
    """What a reader should know: doubts and remarks, in words."""
    peak_rss_bytes: int | None
    """The most memory that a process held, its libraries and the input buffers included."""
    options: BenchOptions
    environment: Environment
    """As it was before the measurement."""
    activity: Activity
    """What happened on the machine meanwhile."""
    lineage: tuple[Parent, ...]
    """The files that the engine was made from, by hash."""
    precision_asked: str
    """What the engine was made for: "fp32", "fp16" or "int8"; "unknown" without a manifest."""
    created: str
    """UTC time at which the measurement began, ISO 8601."""
    command: str
    """The command that repeats this benchmark."""
