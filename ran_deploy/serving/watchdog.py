"""Notices a worker that hangs: it is alive, but its batch does not end."""

from collections.abc import Callable

from ran_deploy.serving.clock import Clock, Timer


class Watchdog:
    """Calls back when one batch is computed for longer than a limit.

    Args:
        limit_s: How long a batch may be computed, in seconds; None: for ever.
        clock: Where time comes from.
        on_hang: Called once for a batch that takes longer.
    """

    def __init__(self, limit_s: float | None, clock: Clock, on_hang: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._on_hang = on_hang
        self._timer: Timer | None = None

    def begin(self) -> None:
        """A batch begins to be computed now; the one before it has ended."""
        self.end()
        if self._limit_s is not None:
            self._timer = self._clock.call_at(self._clock.now() + self._limit_s, self._bark)

    def end(self) -> None:
        """Nothing is computed any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bark(self) -> None:
        self._timer = None
        self._on_hang()
