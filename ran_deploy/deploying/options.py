"""What a deployment is asked for: one frozen record, whatever of it came from the command line or a profile."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from ran_deploy.bench.options import Boundary, Scenario
from ran_deploy.engine.profile import make_profile
from ran_deploy.errors import UsageError
from ran_deploy.manifest import BatchProfile
from ran_deploy.quant.calibrate import Method
from ran_deploy.runtime.gate import DEFAULT_MAX_DROP, Gate
from ran_deploy.runtime.threads import check_threads

PrecisionName = Literal["fp32", "fp16", "int8"]
RuntimeName = Literal[
    "onnxruntime", "openvino", "openvino-bf16", "onnxruntime-cuda", "onnxruntime-tensorrt", "tensorrt", "tensorrt-rtx"
]
FlavourChoice = Literal["auto", "tensorrt", "tensorrt-rtx"]
Objective = Literal["latency", "throughput"]

PRECISIONS: tuple[PrecisionName, ...] = get_args(PrecisionName)
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
PLAN_RUNTIMES: tuple[RuntimeName, ...] = ("tensorrt", "tensorrt-rtx")
"""Those that run plans, which ``build`` makes; the others run ``.onnx`` files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """How much a converted engine may lose.

    Raises:
        UsageError: A drop is not between 0 and 100.
    """

    fp16: float = DEFAULT_MAX_DROP["fp16"]
    """Percentage points of top-1 accuracy that an fp16 engine may lose against float32."""
    int8: float = DEFAULT_MAX_DROP["int8"]
    """The same for an int8 engine."""

    def __post_init__(self) -> None:
        for value in (self.fp16, self.int8):
            Gate(max_drop=value)

    def of(self, precision: str) -> Gate | None:
        """Return the gate of a precision; None for float32, which is the reference."""
        return None if precision == "fp32" else Gate(max_drop=getattr(self, precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """How INT8 is made."""

    method: Method | None = None
    """How the range of an activation is chosen; absent: quantize's own default."""
    samples: int | None = None
    """How many calibration images; absent: 512."""
    high_precision: Literal["fp32", "fp16"] = "fp32"
    """What is not INT8 is this."""
    reduce_range: bool = False
    """7-bit weights, for OpenVINO on CPUs without VNNI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How engines are measured, and what they must hold.

    Raises:
        UsageError: A value is out of range.
    """

    scenario: Scenario = "sweep"
    """MLPerf's scenario, or "sweep" for batch sizes one by one."""
    boundary: Boundary = "engine"
    """"engine" (one run, transfers included), "end-to-end" (from encoded images to classes) or "both"."""
    batches: tuple[int, ...] = (1, 8, 64)
    """Batch sizes of "sweep"; the largest is that of the throughput."""
    qps: float | None = None
    """Arrivals per second of the scenario "server"; absent: the highest rate that holds the SLO is searched."""
    slo_ms: float | None = None
    """Latency, in milliseconds, that an engine must hold at batch 1 (or in the scenario); absent: none."""
    slo_percentile: float = 99
    """Percent of the queries that must hold it."""
    objective: Objective = "latency"
    """What decides among the engines that pass: "latency" at batch 1, or "throughput" at the largest batch."""
    duration_s: float = 3.0
    """Least time of each measurement, in seconds."""
    rounds: int = 10
    """Rounds of the interleaved measurement of the Pareto front."""

    def __post_init__(self) -> None:
        if self.slo_ms is not None and not 0 < self.slo_ms < float("inf"):
            raise UsageError(f"The SLO is {self.slo_ms} ms; expected a number above 0.", fix="Correct --slo-ms.")
        if not 50 <= self.slo_percentile < 100:
            raise UsageError(f"The SLO's percentile is {self.slo_percentile}; expected 50 to below 100.")
        if self.scenario == "server" and self.qps is None and self.slo_ms is None:
            raise UsageError(
                "The server scenario needs a rate of arrivals, or a latency to search the highest rate for.",
                fix="Give --qps N or --slo-ms X.",
            )
        if self.scenario != "server" and self.qps is not None:
            raise UsageError("Only the server scenario takes a rate of arrivals.", fix="Add --scenario server.")
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) < len(self.batches):
            raise UsageError(f"The batch sizes are {list(self.batches)}; expected different numbers of at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a deployment profile can say of the machine that will serve, and of what is demanded there.

    Raises:
        UsageError: A value is unknown or out of range.
    """

    precisions: tuple[PrecisionName, ...] = PRECISIONS
    """Precisions to make; float32 is made in any case, to compare with."""
    runtimes: tuple[RuntimeName, ...] | None = None
    """What the engines run in; absent: ONNX Runtime, and OpenVINO and a TensorRT where they are installed."""
    flavour: FlavourChoice = "auto"
    """The TensorRT that builds."""
    targets: tuple[str, ...] = ()
    """GPUs that plans are built for ahead of time, such as "sm89"; empty: the library's default."""
    batch: BatchProfile = field(default_factory=make_profile)
    """Batch sizes that plans accept."""
    optimization_level: int = 3
    """The builder's effort, 0 to 5."""
    gates: Gates = field(default_factory=Gates)
    """How much a converted engine may lose."""
    int8: Int8 = field(default_factory=Int8)
    """How INT8 is made."""
    load: Load = field(default_factory=Load)
    """How engines are measured, and what they must hold."""
    threads: int | None = None
    """CPU threads of each engine; absent: as its runtime thinks best."""

    def __post_init__(self) -> None:
        for what, values, known in (
            ("precisions", self.precisions, PRECISIONS),
            ("runtimes", RUNTIMES if self.runtimes is None else self.runtimes, RUNTIMES),
        ):
            if not values or len(set(values)) < len(values) or not set(values) <= set(known):
                raise UsageError(
                    f"The {what} are {', '.join(values) or 'none'}; expected one or more of {', '.join(known)}.",
                    fix=f"Correct --{what}.",
                )
        make_profile(self.batch.min_batch, self.batch.opt_batch, self.batch.max_batch)
        check_threads(self.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions(Target):
    """Everything that decides what a deployment makes and measures, apart from its source.

    Raises:
        UsageError: A value is unknown or out of range.
    """

    eval_limit: int | None = None
    """Use only that many images for the accuracy, spread evenly over the test split."""
    atol: float = 1e-4
    """Largest difference of a logit between PyTorch and the exported model."""
    layers: bool = True
    """Whether each engine that runs here is timed kernel by kernel, too."""

    def __post_init__(self) -> None:
        Target.__post_init__(self)
        if self.eval_limit is not None and self.eval_limit < 1:
            raise UsageError(f"--eval-limit is {self.eval_limit}; expected at least 1.")
