"""Several models and versions behind one typed interface, whatever transport brings the requests."""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.classify import Decoder, likeliest
from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.generation import Generation
from ran_deploy.serving.keeper import Keeper
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.results import PLATFORMS, Classified, ModelMetadata, ModelStatus
from ran_deploy.serving.shelf import Place, Shelf
from ran_deploy.serving.spec import HostOptions, ModelSpec, numbered


class ModelHost:
    """Serves engines: opens them, batches requests, and replaces engines without dropping a request.

    All methods belong to one event loop. Requests may come while models are still loading: they are refused with
    UnavailableError until the model is ready.

    Args:
        specs: The models; the same name may stand there in several versions.
        options: How each is served.
        observe: Makes what is told about a model, from its name and version; called once for each.

    Raises:
        UsageError: There is no model, or two have the same name and version.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        options: HostOptions | None = None,
        *,
        observe: Callable[[str, str], Observer] = lambda _name, _version: Observer(),
    ) -> None:
        if not specs:
            raise UsageError("There is no model to serve.", fix="Give at least one: --engine PATH")
        self._options = options or HostOptions()
        self._shelf = Shelf(Place(spec, observe(spec.name, spec.version)) for spec in numbered(tuple(specs)))
        self._decoder = Decoder(max_pixels=self._options.max_pixels, most=self._options.queue)
        self._keeper = Keeper(self._shelf, self._options)
        self._closed = False

    @property
    def options(self) -> HostOptions:
        """How each model is served."""
        return self._options

    async def start(self) -> None:
        """Open every model: check its manifest, start its workers and run it once.

        Raises:
            RanDeployError: A model cannot be opened, as :func:`~ran_deploy.runtime.open.open_engine` says; the others
                are closed again.
        """
        openings = [asyncio.ensure_future(self._keeper.put(place)) for place in self._shelf.places]
        try:
            await asyncio.gather(*openings)
        except BaseException:
            for opening in openings:
                opening.cancel()
            await asyncio.gather(*openings, return_exceptions=True)
            await self.close()
            raise

    def live(self) -> bool:
        """Return whether the host works at all: True until it is closed."""
        return not self._closed

    def ready(self, name: str | None = None, version: str | None = None) -> bool:
        """Return whether a model version takes requests; without a name, whether all do that were not unloaded.

        Args:
            name: The model.
            version: Its version; None: the newest that is ready.

        Raises:
            NotFoundError: There is no such model or version.
        """
        if name is not None:
            return self._keeper.admits and self._shelf.find(name, version).status.state == "ready"
        return self._keeper.admits and all(status.state in ("ready", "unloaded") for status in self.models())

    def models(self) -> tuple[ModelStatus, ...]:
        """Return every version of every model, in the order in which they were given, and where each stands."""
        return tuple(place.status for place in self._shelf.places)

    def metadata(self, name: str, version: str | None = None) -> ModelMetadata:
        """Return what a client must know of a model version; None: the newest that is ready.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: It is not loaded.
        """
        place = self._shelf.find(name, version)
        return self._metadata(place, place.require())

    def workers(self, name: str, version: str | None = None) -> tuple[int, ...]:
        """Return the worker processes of a model version (None: the newest that is ready); none if a thread computes.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: It is not loaded.
        """
        return self._shelf.find(name, version).require().pids

    async def infer(
        self, name: str, version: str | None, images: npt.NDArray[Any], *, deadline: float | None = None
    ) -> Logits:
        """Return the logits, float32 [N, classes], of images as the model's contract wants them, whatever N.

        Args:
            name: The model.
            version: Its version; None: the newest that is ready.
            images: [N, ...].
            deadline: When to give up, as :func:`time.monotonic` tells it; None: wait.

        Raises:
            UsageError: The images are not what the contract says, or more than ``options.queue``.
            NotFoundError: There is no such model or version.
            QueueFullError: Too many images wait.
            DeadlineError: The deadline passed first.
            UnavailableError: The model is loading, unloaded or draining, or its workers keep dying.
            RanDeployError: The engine failed.
        """
        generation = self._admit(name, version)
        with generation.gate.admitted():
            return (await generation.infer(images, deadline)).logits

    async def classify(
        self,
        name: str,
        version: str | None,
        images: Sequence[bytes],
        *,
        top: int = 5,
        deadline: float | None = None,
    ) -> Classified:
        """Decode JPEG or PNG files, preprocess them as the model's contract says, and return the likeliest classes.

        Args:
            name: The model.
            version: Its version; None: the newest that is ready.
            images: The contents of the files, one or more.
            top: How many classes to return for each; never more than there are.
            deadline: When to give up, as :func:`time.monotonic` tells it; None: wait.

        Raises:
            UsageError: There is no image, one is too large, or ``top`` is less than 1.
            IntegrityError: One is truncated, or no JPEG or PNG file.
            GateError: The engine returned logits that are not finite.
            ServingError: As :meth:`infer`.
        """
        check_positive("top", top)
        place, generation = self._shelf.find(name, version), self._admit(name, version)
        with generation.gate.admitted():
            begun = time.monotonic()
            tensor = await self._decoder.decode(images, generation.facts.contract)
            decoded = time.monotonic()
            answer = await generation.infer(tensor, deadline)
        return Classified(
            name=place.spec.name,
            version=place.spec.version,
            sha256=generation.facts.info.sha256,
            predictions=likeliest(answer.logits, generation.facts.contract.labels, top),
            decode_s=decoded - begun,
            queue_s=answer.queue_s,
            infer_s=answer.total_s,
        )

    async def reload(self, name: str, version: str | None = None) -> ModelMetadata:
        """Open a model's file again, in new workers, and let it take over without losing a request.

        Requests in flight end on the old one. A reload that fails leaves the old one serving.

        Args:
            name: The model.
            version: Its version; None: the newest that is ready.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: It is not loaded, or the host is draining.
            RanDeployError: The new file cannot be opened, or fails its first run.
        """
        place = self._shelf.find(name, version)
        return self._metadata(place, await self._keeper.replace(place))

    async def unload(self, name: str, version: str | None = None) -> None:
        """Take a model version (None: all) out of service, after the requests that it has are answered.

        Raises:
            NotFoundError: There is no such model or version.
        """
        for place in self._shelf.versions(name, version):
            await self._keeper.take_out(place)

    async def load(self, name: str, version: str | None = None) -> None:
        """Put a model version (None: all) back into service; one that is loaded stays as it is.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: The host is draining.
            RanDeployError: It cannot be opened.
        """
        await asyncio.gather(*(self._keeper.put(place) for place in self._shelf.versions(name, version)))

    async def drain(self) -> None:
        """Refuse new requests with UnavailableError, and return when all that were accepted have been answered."""
        await self._keeper.drain()

    async def close(self) -> None:
        """End at once: refuse what waits, stop the workers, free the engines. Closing twice is harmless."""
        self._closed = True
        await self._keeper.close()
        self._decoder.close()

    async def __aenter__(self) -> Self:
        """Start the host."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the host."""
        await self.close()

    def _admit(self, name: str, version: str | None) -> Generation:
        """Return what answers a request that comes now.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: It cannot answer now.
        """
        place = self._shelf.find(name, version)
        self._keeper.check_admits()
        generation = place.require()
        if generation.failure:
            raise UnavailableError(f"{name} cannot answer: {generation.failure}", fix="Reload the model.")
        return generation

    def _metadata(self, place: Place, generation: Generation) -> ModelMetadata:
        facts, name = generation.facts, place.spec.name
        loaded = [other.spec.version for other in self._shelf.versions(name) if other.generation is not None]
        return ModelMetadata(
            name=name,
            version=place.spec.version,
            versions=tuple(loaded),
            platform=PLATFORMS[facts.info.runtime],
            contract=facts.contract,
            sha256=facts.info.sha256,
            info=facts.info,
            manifest=facts.manifest,
            max_batch=generation.max_batch,
        )
