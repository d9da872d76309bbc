"""What a measurement leaves behind: when each query was due, began and ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.bench.loop import NS_PER_MS, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All timed queries of one batch size at one boundary, in the order in which they were due."""

    boundary: str
    """Name of the timed boundary: "engine", "end-to-end" or "device"."""
    batch: int
    """Images of one query."""
    spans: tuple[Span, ...]
    """When each query began and ended, in nanoseconds."""
    due_ns: tuple[int, ...] | None = None
    """When each query was due, for the server scenario; None: a query is due when it begins."""
    schedule_ns: int = 0
    """Length of the schedule of the server scenario: when its last query was due, after the start."""
    scheduled: int = 0
    """Queries of that schedule."""
    wall_ns: int
    """Time of the whole measurement without its pauses, in nanoseconds."""
    stop: str
    """Why the measurement ended."""
    device_ms: tuple[float, ...] = ()
    """At the boundary "device": the device's own time of each query, which counts instead of the host's."""

    @property
    def starts_ns(self) -> Sequence[int]:
        """When the latency of each query begins to count."""
        return [begun for begun, _ in self.spans] if self.due_ns is None else self.due_ns

    @property
    def latencies_ms(self) -> Sequence[float]:
        """Latency of each query, in milliseconds."""
        if self.device_ms:
            return self.device_ms
        return [(end - start) / NS_PER_MS for start, (_, end) in zip(self.starts_ns, self.spans, strict=True)]

    @property
    def busy_ns(self) -> float:
        """What throughput is counted over: the wall-clock time, or at the boundary "device" the device's own."""
        return sum(self.device_ms) * NS_PER_MS if self.device_ms else self.wall_ns
