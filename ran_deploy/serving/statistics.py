"""Running totals of one model version, in the form of Triton's statistics extension."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Total:
    """How often something happened, and how long it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.ns += round(1e9 * seconds)

    def document(self) -> dict[str, int]:
        """Return it as the extension writes it."""
        return {"count": self.count, "ns": self.ns}


@dataclass(slots=True)
class ModelStatistics:
    """What has happened to one model version since the server started."""

    success: Total = field(default_factory=Total)
    fail: Total = field(default_factory=Total)
    queue: Total = field(default_factory=Total)
    compute: Total = field(default_factory=Total)
    batches: dict[int, Total] = field(default_factory=dict)
    """Of each batch size, the runs of it."""
    images: int = 0
    last_ms: int = 0
    """Unix time of the last answer, in milliseconds."""

    def served(self, images: int, seconds: float) -> None:
        """Count an answered request."""
        self.success.add(seconds)
        self.images += images
        self.last_ms = time.time_ns() // 1_000_000

    def computed(self, images: int, seconds: float) -> None:
        """Count a run."""
        self.compute.add(seconds)
        self.batches.setdefault(images, Total()).add(seconds)

    def document(self, name: str, version: str) -> dict[str, Any]:
        """Return it as the extension writes it.

        ``compute_infer`` counts runs. Copying is part of them, and decoding belongs to the transport; the counts of
        ``compute_input`` and ``compute_output`` are still the same, as perf_analyzer expects.
        """
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_ms,
            "inference_count": self.images,
            "execution_count": self.compute.count,
            "inference_stats": {
                "success": self.success.document(),
                "fail": self.fail.document(),
                "queue": self.queue.document(),
                **_compute(self.compute),
            },
            "batch_stats": [{"batch_size": size, **_compute(total)} for size, total in sorted(self.batches.items())],
        }


def _compute(total: Total) -> dict[str, dict[str, int]]:
    nothing = {"count": total.count, "ns": 0}
    return {"compute_input": nothing, "compute_infer": total.document(), "compute_output": nothing}
