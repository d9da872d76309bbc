"""What a TensorRT library logs: kept for its reasons, never printed."""

from types import ModuleType
from typing import Any

_SHOWN_ERRORS = 3


class Messages:
    """What the library has logged."""

    def __init__(self) -> None:
        self.all: list[str] = []
        """Every message, where they were asked for."""
        self.errors: list[str] = []

    def last_errors(self) -> str:
        """Return the last errors as one line of text."""
        lines = [message.strip().splitlines()[0] for message in self.errors if message.strip()]
        return "; ".join(lines[-_SHOWN_ERRORS:]) or "the library gave no reason"


def make_logger(module: ModuleType, *, keep_all: bool = False) -> tuple[Any, Messages]:
    """Return a logger that keeps errors, and every message, the verbose ones included, if asked to.

    The class is made here because its base belongs to the library in use.

    Args:
        module: ``tensorrt`` or ``tensorrt_rtx``.
        keep_all: Keep more than the errors; a builder's log holds the engine's layers.
    """
    messages = Messages()
    serious = (module.ILogger.Severity.INTERNAL_ERROR, module.ILogger.Severity.ERROR)

    class Collector(module.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            module.ILogger.__init__(self)

        def log(self, severity: object, message: str) -> None:
            if keep_all:
                messages.all.append(message)
            if severity in serious:
                messages.errors.append(message)

    return Collector(), messages
