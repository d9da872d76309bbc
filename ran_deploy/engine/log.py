"""The builder's progress, shown on stderr and cancellable."""

import threading
from types import ModuleType
from typing import Any

from ran_deploy.progress import Progress


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
