"""What an error means to a client, over HTTP and over gRPC, and under which reason the metrics count it."""

import asyncio
from typing import ClassVar

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.serving.errors import DeadlineError, NotFoundError, QueueFullError, ServingError, UnavailableError


class ForbiddenError(ServingError):
    """A request that this server is not set up to grant."""

    http_status: ClassVar[int] = 403


class SlowClientError(ServingError):
    """A client that did not send its request's body in time."""

    http_status: ClassVar[int] = 408


class TooLargeError(ServingError):
    """A body of more bytes than are taken."""

    http_status: ClassVar[int] = 413


class EncodingError(ServingError):
    """A compressed body, which is not taken."""

    http_status: ClassVar[int] = 415


_REASONS: tuple[tuple[type[BaseException], str, str], ...] = (
    (UsageError, "invalid", "INVALID_ARGUMENT"),
    (IntegrityError, "invalid", "INVALID_ARGUMENT"),
    (EncodingError, "invalid", "INVALID_ARGUMENT"),
    (ForbiddenError, "forbidden", "PERMISSION_DENIED"),
    (NotFoundError, "not_found", "NOT_FOUND"),
    (SlowClientError, "slow_client", "DEADLINE_EXCEEDED"),
    (TooLargeError, "too_large", "RESOURCE_EXHAUSTED"),
    (QueueFullError, "queue_full", "RESOURCE_EXHAUSTED"),
    (UnavailableError, "unavailable", "UNAVAILABLE"),
    (DeadlineError, "deadline", "DEADLINE_EXCEEDED"),
    (asyncio.CancelledError, "cancelled", "CANCELLED"),
)
"""Error, reason in the metrics, and name of gRPC's status code."""


def reason(error: BaseException) -> str:
    """Return the word under which the metrics count an error; "internal" for what should not happen."""
    return next((word for kind, word, _ in _REASONS if isinstance(error, kind)), "internal")


def grpc_code(error: BaseException) -> str:
    """Return the name of the gRPC status code for an error."""
    return next((code for kind, _, code in _REASONS if isinstance(error, kind)), "INTERNAL")


def http_status(error: BaseException) -> int:
    """Return the HTTP status for an error."""
    if isinstance(error, ServingError):
        return error.http_status
    return 400 if isinstance(error, UsageError | IntegrityError) else 500


def told(error: BaseException) -> str:
    """Return what a client is told: cause and fix of our errors, and of any other only that it happened."""
    if isinstance(error, RanDeployError):
        return f"{error.message} {error.fix}".strip()
    return "The server failed inside; its log says why."
