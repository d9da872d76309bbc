"""What a profile is asked for, and what it answers."""

from dataclasses import dataclass

from ran_deploy.bench.environment import Environment
from ran_deploy.errors import UsageError
from ran_deploy.profiling.places import Branch
from ran_deploy.profiling.roofline import Roofline
from ran_deploy.runtime.session import SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """How to measure.

    Raises:
        UsageError: A value is out of range.
    """

    batch: int = 8
    """Images at once."""
    iterations: int = 50
    """Runs that are timed kernel by kernel, and as many that are timed as a whole; dealt out to the rounds."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"The batch size is {self.batch}; expected at least 1.", fix="Use --batch 8.")
        if self.iterations < 1:
            raise UsageError(
                f"The number of iterations is {self.iterations}; expected at least 1.", fix="Use --iterations 50."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Time and work of a kernel, or of several together, in one run of the whole batch."""

    us: float
    """Time in the kernels, in microseconds, without what the profiler adds."""
    share: float
    """Part of the wall-clock time of run()."""
    macs: int
    """Multiply-adds of convolutions and matrix products."""
    moved_bytes: int
    """Bytes that the kernels must at least read and write: inputs, weights, outputs, at the types of the file."""
    gflops: float | None
    """10⁹ operations per second, a multiply-add counted as two; None without multiply-adds."""
    intensity: float | None
    """Operations per byte; None without bytes."""
    bound_us: float | None
    """Least time by the roofline, in microseconds; None where it was not measured, or without known work."""
    roofline: float | None
    """``bound_us`` over ``us``: 1 is as fast as this machine can be. Above it where INT8 beats float32's peak, or where
    more stays in the caches than in sums of tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCost(Cost):
    """A kernel."""

    name: str
    """As the runtime calls it."""
    op: str
    """The runtime's own word for what it does."""
    part: str
    branch: Branch
    nodes: tuple[str, ...]
    """Names of the ONNX nodes that it computes, that with the most multiply-adds first; none for a reorder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCost(Cost):
    """The kernels of one part of the network, or of one type."""

    name: str
    branch: Branch | None
    """What the part belongs to; None for a type."""
    kernels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileResult:
    """Where the time of one run goes. Kernels, parts and types are sorted by time; each list sums up to the total."""

    engine: str
    session: SessionInfo
    batch: int
    inputs: str
    """What was fed."""
    method: str
    """How the kernels were timed."""
    run_us: float
    """Median wall-clock time of run() without a profiler, in microseconds."""
    fastest_run_us: float
    """The fastest of these, in microseconds."""
    overhead_us: float
    """``run_us`` less the time in all kernels: the runtime's own work between them. Below 0 where the profiler slowed
    the kernels down by more than that."""
    total: GroupCost
    """All kernels together."""
    parts: tuple[GroupCost, ...]
    types: tuple[GroupCost, ...]
    kernels: tuple[KernelCost, ...]
    roofline: Roofline | None
    """None for an engine on a GPU."""
    remarks: tuple[str, ...]
    """What limits the numbers."""
    plot: str | None
    trace: str | None
    options: ProfileOptions
    environment: Environment
