"""What a Pareto run is asked for, and what it answers."""

from dataclasses import dataclass
from typing import Literal

from ran_deploy.bench.environment import Environment
from ran_deploy.bench.ratio import LEAST_ROUNDS, Ratio
from ran_deploy.errors import UsageError
from ran_deploy.runtime.open_onnx import CPU_RUNTIMES
from ran_deploy.runtime.session import SessionInfo

Plane = Literal["latency", "throughput"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoOptions:
    """What to measure, and for how long.

    Raises:
        UsageError: A value is out of range.
    """

    batch: int = 64
    """Batch size of the throughput, and of the pass over the images; latency is at batch 1."""
    runtimes: tuple[str, ...] = ("onnxruntime", "openvino")
    """Where to run each ``.onnx`` file."""
    rounds: int = 10
    """How often each engine has its turn at each batch size."""
    duration_s: float = 3.0
    """Least timed time of each engine at each batch size, over all rounds, in seconds."""
    tolerance_points: float = 0.1
    """Percentage points that count as equally accurate; see :data:`ran_deploy.bench.domination.RULE`."""

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise UsageError(f"The batch is {self.batch}; expected at least 2: latency at batch 1 is measured anyway.")
        known = CPU_RUNTIMES
        if not self.runtimes or len(set(self.runtimes)) != len(self.runtimes) or not set(self.runtimes) <= set(known):
            raise UsageError(
                f"The runtimes are {', '.join(self.runtimes) or 'none'}; expected one or more of {', '.join(known)}."
            )
        if self.rounds < LEAST_ROUNDS:
            raise UsageError(f"The number of rounds is {self.rounds}; expected at least {LEAST_ROUNDS}.")
        if not 0 <= self.duration_s < float("inf") or not 0 <= self.tolerance_points < 100:
            raise UsageError(
                f"The duration is {self.duration_s} s and the tolerance {self.tolerance_points} points; expected ≥ 0."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One engine's speed at one batch size, beside the first engine's."""

    batch: int
    runs: int
    p50_ms: float
    """Median latency of a run."""
    images_per_s: float
    round_p50_ms: tuple[float, ...]
    """The median of each round."""
    round_images_per_s: tuple[float, ...]
    ratio: Ratio
    """Speed over that of the first point, by the rounds' medians (latency) or images per second (throughput)."""
    dominated_by: tuple[str, ...]
    """Names of the points that dominate this one in this plane; those that nothing dominates first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoPoint:
    """One file in one runtime. Accuracy and speed are of the same opened file, whose hash is in ``session``."""

    name: str
    session: SessionInfo
    size_bytes: int
    asked: str
    """The precision that the file was made for: "fp32", "fp16" or "int8"; "unknown" without a manifest."""
    top1: float
    """Percent of the images whose likeliest class is right."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% interval of ``top1``, in percent."""
    difference_points: float
    """Accuracy minus that of the first point on the same images, in percentage points."""
    difference_ci95: tuple[float, float]
    """Tango's 95% interval of the difference."""
    agreement: float
    """Percent of the images on which the first point finds the same class likeliest."""
    latency: Speed
    """At batch 1."""
    throughput: Speed
    """At the batch asked for."""

    def speed(self, plane: Plane) -> Speed:
        """Return the speed in one plane."""
        return self.latency if plane == "latency" else self.throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoResult:
    """Accuracy against speed for each file in each runtime."""

    dataset: str
    split: str
    samples: int
    """Number of images."""
    points: tuple[ParetoPoint, ...]
    """In the order of the files; the first is what the others are compared with."""
    absent: dict[str, str]
    """Runtimes that were asked for and are not on this machine, with the reason."""
    remarks: tuple[str, ...]
    """INT8 that is slower than float32, or not measurably faster, in words."""
    rule: str
    """When a point is dominated."""
    boundary: str
    """What the clock covers."""
    order: str
    """How the measurements were interleaved."""
    plot: str | None
    """Path of the plot."""
    options: ParetoOptions
    environment: Environment
    """As it was before the measurement."""
