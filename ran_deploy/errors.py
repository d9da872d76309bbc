"""The errors that ran-deploy raises on purpose, each tied to one exit code.

    RanDeployError            1  internal: a fault of ran-deploy itself
    ├── UsageError            2  an option, a file or a value that cannot be used as given
    ├── GateError             3  a parity, precision or accuracy gate failed
    ├── IncompatibleError     4  an engine built for another library, version or GPU
    ├── IntegrityError        5  a file that is not what its manifest or format says
    ├── MissingError          6  a package, a GPU or a runtime that is not on this machine
    └── UnstableError         7  a benchmark that is unstable or has regressed

Each message names the value and what was expected; ``fix`` says what to do about it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class RanDeployError(Exception):
    """One sentence of cause, one of fix, and details for ``--json``.

    Args:
        message: The cause: names the value met and what was expected.
        fix: What the user can do about it, as one sentence or command.
        details: JSON-serializable facts (metrics, counts) that ``--json`` prints with the error.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.details: dict[str, Any] = dict(details or {})


class UsageError(RanDeployError):
    """An option, a file or a value that cannot be used as given."""

    exit_code = 2


class GateError(RanDeployError):
    """A parity, precision or accuracy gate failed; ``details`` holds the metrics."""

    exit_code = 3


class IncompatibleError(RanDeployError):
    """An engine that was built for another library, version or GPU."""

    exit_code = 4


class IntegrityError(RanDeployError):
    """A file that is not what its manifest or its format says: tampered, truncated or corrupt."""

    exit_code = 5


class MissingError(RanDeployError):
    """A package, a GPU or a runtime that is not on this machine."""

    exit_code = 6


class UnstableError(RanDeployError):
    """A benchmark whose result is unstable, or that regressed."""

    exit_code = 7
