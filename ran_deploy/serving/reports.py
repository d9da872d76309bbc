"""What ``serve`` reports of itself: when it is up, and how it ended."""

from dataclasses import dataclass

from ran_deploy.serving.addresses import Addresses
from ran_deploy.serving.results import ModelMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that is up."""

    addresses: Addresses
    models: tuple[ModelMetadata, ...]
    control: bool
    """Whether clients may load and unload models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a server ended."""

    signal: str
    """"SIGTERM" or "SIGINT"."""
    unanswered: int
    """Requests that had been accepted and were not answered in time; 0 but for a drain that was too short."""
