"""The builder's voice: its log, kept, and its progress, shown on stderr and cancellable."""

import threading
from types import ModuleType
from typing import Any

from ran_deploy.progress import Progress

_SHOWN_ERRORS = 3


class Messages:
    """What a builder has logged."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.errors: list[str] = []

    def last_errors(self) -> str:
        """Return the last errors as one line of text."""
        lines = [message.strip().splitlines()[0] for message in self.errors if message.strip()]
        return "; ".join(lines[-_SHOWN_ERRORS:]) or "the builder gave no reason"


def make_logger(module: ModuleType) -> tuple[Any, Messages]:
    """Return a logger that keeps every message, the verbose ones included, and prints none.

    The class is made here because its base belongs to the flavour in use.

    Args:
        module: ``tensorrt`` or ``tensorrt_rtx``.
    """
    messages = Messages()
    serious = (module.ILogger.Severity.INTERNAL_ERROR, module.ILogger.Severity.ERROR)

    class Collector(module.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            module.ILogger.__init__(self)

        def log(self, severity: object, message: str) -> None:
            messages.all.append(message)
            if severity in serious:
                messages.errors.append(message)

    return Collector(), messages


def make_monitor(module: ModuleType, progress: Progress, cancelled: threading.Event) -> Any:
    """Return a progress monitor that shows the builder's steps and stops it once ``cancelled`` is set."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:  # noqa: ARG002
            progress.advance(0, phase.lower())

        def phase_finish(self, phase: str) -> None:  # noqa: ARG002
            progress.advance(0)

        def step_complete(self, phase: str, step: int) -> bool:  # noqa: ARG002
            progress.advance(1, phase.lower())
            return not cancelled.is_set()

    return Monitor()
