"""What a benchmark is asked for."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ran_deploy.bench.stop import StopRule
from ran_deploy.errors import UsageError
from ran_deploy.runtime.batching import check_positive

Scenario = Literal["sweep", "single-stream", "multi-stream", "server", "offline"]
Boundary = Literal["engine", "end-to-end", "both"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)

DEFAULT_BATCHES: dict[Scenario, tuple[int, ...]] = {
    "sweep": (1, 8, 64),
    "single-stream": (1,),
    "multi-stream": (8,),
    "server": (1,),
    "offline": (64,),
}
"""Images of one query; only those of "sweep" and "offline" can be chosen, the others are MLPerf's."""
MEANINGS: dict[Scenario, str] = {
    "sweep": "each batch size on its own, one run after another",
    "single-stream": "one image after another; MLPerf looks at the 90th percentile",
    "multi-stream": "queries of 8 images, one after another; MLPerf looks at the 99th percentile",
    "server": "single images that arrive at random (Poisson); latency counts from when an image was due",
    "offline": "large batches, one after another; what counts is images per second",
}
HEADLINE: dict[Scenario, float] = {"sweep": 50, "single-stream": 90, "multi-stream": 99, "server": 99, "offline": 50}
"""The percentile that a scenario is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What to measure and for how long.

    Raises:
        UsageError: A value is out of range, or an option does not belong to the scenario.
    """

    scenario: Scenario = "sweep"
    boundary: Boundary = "engine"
    batches: tuple[int, ...] = (1, 8, 64)
    """Batch sizes, each measured on its own."""
    warmup_ms: int = 200
    """Least time of untimed runs before each measurement, in milliseconds; at least one run is made."""
    duration_s: float = 3.0
    """Least time of each measurement, in seconds."""
    max_duration_s: float | None = None
    """Most time of each measurement, in seconds; None: three times the least."""
    precision: float = 0.02
    """Stop when the 95% interval of the median is within this share of it."""
    iterations: int = 10
    """Least number of runs of each measurement."""
    percentiles: tuple[float, ...] = (90, 95, 99)
    """The percentiles to report, each only if there are enough runs."""
    average_runs: int | None = None
    """Runs in a row of which averages are reported, as trtexec's ``--avgRuns``; None: no averages."""
    qps: float | None = None
    """Arrivals per second, for the server scenario."""
    slo_ms: float | None = None
    """Latency that 99% of the queries may need at most, for the search of the highest rate."""
    find_max_qps: bool = False
    trials: int = 8
    """Rates that the search tries before the result is confirmed."""
    workers: int = 1
    """Threads that serve the queries of the server scenario."""
    seed: int = 20
    """Seed of the arrivals."""
    processes: int = 1
    """Fresh processes to measure in, one after another."""

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise UsageError(f"The scenario is {self.scenario!r}; expected one of {', '.join(SCENARIOS)}.")
        if self.boundary not in BOUNDARIES:
            raise UsageError(f"The boundary is {self.boundary!r}; expected one of {', '.join(BOUNDARIES)}.")
        self._check_batches()
        self._check_time()
        self._check_server()
        if not self.percentiles or not all(0 < percent < 100 for percent in self.percentiles):
            raise UsageError(f"The percentiles are {list(self.percentiles)}; expected numbers between 0 and 100.")
        if len(set(self.percentiles)) != len(self.percentiles):
            raise UsageError(f"The percentiles {list(self.percentiles)} name one twice.")
        if self.average_runs is not None and self.average_runs < 1:
            raise UsageError(f"Averages of {self.average_runs} runs are asked for; expected at least 1.")
        check_positive("The number of processes", self.processes)

    def _check_batches(self) -> None:
        if not self.batches or min(self.batches) < 1:
            raise UsageError(f"The batch sizes are {list(self.batches)}; expected numbers of at least 1.")
        if len(set(self.batches)) != len(self.batches):
            raise UsageError(f"The batch sizes {list(self.batches)} name one twice.")
        fixed = DEFAULT_BATCHES[self.scenario]
        if self.scenario not in ("sweep", "offline") and self.batches != fixed:
            raise UsageError(
                f"The scenario {self.scenario} has queries of {fixed[0]}; the batch sizes are {list(self.batches)}.",
                fix="Leave --batch out, or use --scenario sweep.",
            )

    def _check_time(self) -> None:
        if self.warmup_ms < 0 or not 0 <= self.duration_s < math.inf:
            raise UsageError(f"The warm-up is {self.warmup_ms} ms and the duration {self.duration_s} s; expected ≥ 0.")
        if self.max_duration_s is not None and not self.duration_s <= self.max_duration_s < math.inf:
            raise UsageError(
                f"The longest duration is {self.max_duration_s} s; expected at least the duration, "
                f"{self.duration_s:g} s."
            )
        if not 0 < self.precision < 1:
            raise UsageError(f"The precision is {self.precision}; expected a share between 0 and 1, such as 0.02.")
        check_positive("The number of iterations", self.iterations)

    def _check_server(self) -> None:
        for name, value in (("--qps", self.qps), ("--slo-ms", self.slo_ms)):
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} is {value}; expected a number above 0.")
        if self.trials < 1 or self.workers < 1:
            raise UsageError(f"There are {self.trials} trials and {self.workers} workers; expected at least 1 of each.")
        if self.scenario != "server":
            wrong = {"--qps": self.qps, "--slo-ms": self.slo_ms, "--find-max-qps": self.find_max_qps or None}
            names = [name for name, value in wrong.items() if value is not None]
            if names:
                raise UsageError(
                    f"Only the server scenario takes {' and '.join(names)}; this one is {self.scenario}.",
                    fix="Add --scenario server.",
                )
            return
        if self.find_max_qps:
            self._check_search()
        elif self.qps is None:
            raise UsageError(
                "The server scenario needs a rate of arrivals.", fix="Add --qps N, or --find-max-qps --slo-ms X."
            )
        elif self.slo_ms is not None:
            raise UsageError("--slo-ms says what a search must hold, and none is asked for.", fix="Use --find-max-qps.")

    def _check_search(self) -> None:
        if self.slo_ms is None:
            raise UsageError("--find-max-qps needs the latency that must hold.", fix="Add --slo-ms X, in milliseconds.")
        if self.qps is not None:
            raise UsageError("--qps and --find-max-qps exclude each other.", fix="Leave one of them out.")
        if self.processes > 1 or self.boundary == "both":
            raise UsageError(
                "--find-max-qps searches in one process and at one boundary.",
                fix="Leave --processes out, and choose --boundary engine or end-to-end.",
            )

    @property
    def stop_rule(self) -> StopRule:
        """When a closed loop ends."""
        most_s = 3 * self.duration_s if self.max_duration_s is None else self.max_duration_s
        return StopRule(runs=self.iterations, least_s=self.duration_s, most_s=most_s, precision=self.precision)

    @property
    def boundaries(self) -> tuple[Literal["engine", "end-to-end"], ...]:
        """The boundaries to time, each on its own."""
        return ("engine", "end-to-end") if self.boundary == "both" else (self.boundary,)
