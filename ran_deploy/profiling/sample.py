"""One run of an engine, kernel by kernel, as its runtime's own profiler tells it."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ran_deploy.bench.inputs import Buffers
from ran_deploy.errors import RanDeployError


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTime:
    """One kernel in one run."""

    name: str
    op: str
    """The runtime's own word for what it does, such as "Conv" or "MulAdd"."""
    us: float
    """Time in the kernel, in microseconds."""
    claims: tuple[str, ...]
    """Names of ONNX nodes or tensors that the kernel bears, as the runtime writes them."""
    start_us: float | None = None
    """When it began, since the first kernel of its run; None where the runtime does not tell."""
    ran: bool = True
    """Whether it ran at all, for runtimes that list what they have fused, too."""


class Profiler(Protocol):
    """What times the kernels of an engine."""

    @property
    def method(self) -> str:
        """How the times come about, as a sentence; complete after the samples were taken."""

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Open the engine anew, run it, and return samples, each with all kernels in the order of execution.

        Args:
            buffers: Batches to feed in turn.
            warmup: Runs before, that are not counted.
            runs: Runs to time.

        Returns:
            A sample for each run, or one with the mean of all runs.
        """


def only_run(samples: Sequence[tuple[KernelTime, ...]]) -> list[tuple[KernelTime, ...]]:
    """Return the samples without the kernels that ran in none of them.

    Kernels are told apart by their order: OpenVINO invents other names with each compilation.

    Raises:
        RanDeployError: The samples have different kernels.
    """
    if len({tuple(kernel.op for kernel in sample) for sample in samples}) != 1:
        raise RanDeployError("The runtime ran other kernels in some runs than in others; they cannot be compared.")
    ran = [any(kernel.ran for kernel in times) for times in zip(*samples, strict=True)]
    return [tuple(itertools.compress(sample, ran)) for sample in samples]


def median_sample(samples: Sequence[tuple[KernelTime, ...]]) -> tuple[KernelTime, ...]:
    """Return each kernel with the median of its times over all samples, in the order of execution."""
    return tuple(
        replace(times[0], us=statistics.median(kernel.us for kernel in times), start_us=None)
        for times in zip(*samples, strict=True)
    )


def typical_sample(samples: Sequence[tuple[KernelTime, ...]]) -> tuple[KernelTime, ...]:
    """Return the sample whose total time is the (lower) median: one run as it was, for a trace."""
    ordered = sorted(samples, key=lambda sample: sum(kernel.us for kernel in sample))
    return ordered[(len(ordered) - 1) // 2]
