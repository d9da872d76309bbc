"""Why a request to a service is refused, whatever carried it; transports turn each into their own status.

RanDeployError
├── UsageError             400  a tensor, an image or a value that cannot be used as given
└── ServingError
    ├── NotFoundError      404  no such model or version
    ├── QueueFullError     429  too much is waiting; the same request may be served later
    ├── UnavailableError   503  draining, loading, unloaded, or no worker is left
    └── DeadlineError      504  the request's time was over before its answer was there

All other errors are faults of the service or of the engine: 500.
"""

from typing import ClassVar

from ran_deploy.errors import RanDeployError


class ServingError(RanDeployError):
    """A request that was refused for the service's state, not for what it asked."""

    http_status: ClassVar[int] = 500
    """The status that HTTP has for it (RFC 9110, RFC 6585)."""


class NotFoundError(ServingError):
    """No model of that name, or no such version of it."""

    http_status = 404


class QueueFullError(ServingError):
    """So many images wait that this request was not admitted."""

    http_status = 429


class UnavailableError(ServingError):
    """The model cannot answer now: it is loading, unloaded or draining, or its workers keep dying."""

    http_status = 503


class DeadlineError(ServingError):
    """The request's deadline passed before its answer was there; what was still waiting was not run."""

    http_status = 504
