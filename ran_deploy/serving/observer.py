"""What a batcher and its workers tell while they work, for metrics and logs. Called on the event loop: be quick."""

from typing import Literal

Outcome = Literal["queue_full", "deadline", "cancelled", "unavailable", "error"]
"""Why a request got no logits."""


class Observer:
    """Told about one model version. This one ignores everything; others override what they want to hear."""

    def queue_depth(self, images: int) -> None:
        """So many images wait now; told after each change."""

    def queued(self, seconds: float) -> None:
        """A request of the queue has begun to be computed so long after it was submitted."""

    def computed(self, images: int, seconds: float) -> None:
        """A batch of so many images took so long, in one go, from its start to its logits."""

    def served(self, images: int, seconds: float) -> None:
        """A request of so many images was answered so long after it was submitted."""

    def failed(self, outcome: Outcome) -> None:
        """A request ended without logits."""

    def worker_started(self) -> None:
        """A worker process is ready, for the first time or again."""

    def worker_lost(self) -> None:
        """A worker process ended that should not have."""
