"""What HTTP and gRPC both do with a host: count each request, give it a deadline, and guard the repository."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ran_deploy.serving.gate import Gate
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.metrics import UNKNOWN, Metrics
from ran_deploy.serving.protocol import Call, Output, answer
from ran_deploy.serving.refusals import ForbiddenError, reason
from ran_deploy.serving.results import Classified, ModelMetadata


@dataclass(slots=True)
class Track:
    """One inference request on its way; which model it is for is known once it has been looked up."""

    name: str = UNKNOWN
    version: str = UNKNOWN

    def of(self, model: ModelMetadata) -> ModelMetadata:
        """Note the model, and return it."""
        self.name, self.version = model.name, model.version
        return model


class Service:
    """A host with what surrounds every request to it.

    Args:
        host: Answers the requests.
        metrics: Counts them.
        control: Whether clients may load and unload models.
        request_s: Longest that a request may take from its arrival, in seconds.
    """

    def __init__(self, host: ModelHost, metrics: Metrics, *, control: bool, request_s: float) -> None:
        self.host, self.metrics, self.control = host, metrics, control
        self.gate = Gate()
        self._request_s = request_s
        metrics.follow(host, lambda: self.gate.inside)

    def ready(self) -> bool:
        """Return whether all models take requests and the server is not shutting down."""
        return not self.gate.closed and self.host.ready()

    @contextlib.contextmanager
    def tracked(self, protocol: str) -> Iterator[Track]:
        """Count an inference request from here to its end, whatever that is."""
        track, why, begun = Track(), "", time.perf_counter()
        try:
            yield track
        except BaseException as error:
            why = reason(error)
            raise
        finally:
            self.metrics.ended(track.name, track.version, protocol, time.perf_counter() - begun, why)

    def refused(self, protocol: str) -> None:
        """Count an inference request that came when the gate was closed."""
        self.metrics.ended(UNKNOWN, UNKNOWN, protocol, 0.0, "unavailable")

    def decoded(self, model: ModelMetadata, seconds: float) -> None:
        """Note how long it took to make a tensor of what a client sent."""
        self.metrics.stage(model.name, model.version, "decode").observe(seconds)

    def deadline(self, *limits_s: float | None) -> float:
        """Return when a request is to be given up, as :func:`time.monotonic` tells it.

        Args:
            limits_s: How long its client and its transport are willing to wait; None: they did not say.
        """
        return time.monotonic() + min([self._request_s, *(limit for limit in limits_s if limit is not None)])

    async def infer(self, model: ModelMetadata, call: Call, *, at_most_s: float | None = None) -> tuple[Output, ...]:
        """Return the outputs that a request asks for. Raises as :meth:`ModelHost.infer`.

        Args:
            model: The model that it is for.
            call: The request.
            at_most_s: How long its transport lets it wait; None: as long as the request itself says.
        """
        deadline = self.deadline(call.timeout_s, at_most_s)
        logits = await self.host.infer(model.name, model.version, call.images, deadline=deadline)
        return answer(logits, call, model.contract)

    async def classify(self, model: ModelMetadata, image: bytes, top: int) -> Classified:
        """Return the likeliest classes of one image file. Raises as :meth:`ModelHost.classify`."""
        found = await self.host.classify(model.name, model.version, [image], top=top, deadline=self.deadline())
        self.decoded(model, found.decode_s)
        return found

    def statistics(self, name: str | None = None, version: str | None = None) -> dict[str, Any]:
        """Return the statistics of a model version; of all of a name, or of all models, where left out.

        Raises:
            NotFoundError: There is no such model or version.
        """
        if name is not None:
            self.host.ready(name, version)
        return {
            "model_stats": [
                totals.document(found, number)
                for found, number, totals in self.metrics.statistics()
                if name in (None, found) and version in (None, number)
            ]
        }

    async def load(self, name: str) -> None:
        """Load each version of a model that is not loaded, and reload those that are.

        Raises:
            ForbiddenError: Clients may not.
            RanDeployError: As :meth:`ModelHost.load` and :meth:`ModelHost.reload`.
        """
        self._check_control()
        versions = [status for status in self.host.models() if status.name == name]
        if not versions:
            await self.host.load(name)  # says that there is none
        for status in versions:
            change = self.host.reload if status.state in ("ready", "unavailable") else self.host.load
            await change(name, status.version)

    async def unload(self, name: str) -> None:
        """Take every version of a model out of service.

        Raises:
            ForbiddenError: Clients may not.
            NotFoundError: There is no such model.
        """
        self._check_control()
        await self.host.unload(name)

    def _check_control(self) -> None:
        if not self.control:
            raise ForbiddenError(
                "Models cannot be loaded or unloaded through this server.",
                fix="Start it with --model-control to allow that.",
            )
