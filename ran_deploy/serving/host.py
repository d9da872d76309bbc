"""Several models and versions behind one typed interface, whatever transport brings the requests."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from ran_deploy.runtime.session import Logits
from ran_deploy.serving.observer import Observer, Silent
from ran_deploy.serving.results import Classified, ModelMetadata, ModelStatus
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
        observe: Callable[[str, str], Observer] = lambda _name, _version: Silent(),
    ) -> None:
        self._specs = numbered(tuple(specs))
        self._options = options or HostOptions()

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
        raise NotImplementedError

    def live(self) -> bool:
        """Return whether the host works at all: True until it is closed."""
        raise NotImplementedError

    def ready(self, name: str | None = None, version: str | None = None) -> bool:
        """Return whether a model version (None: the newest ready one) takes requests; without a name, whether all do.

        Raises:
            NotFoundError: There is no such model or version.
        """
        raise NotImplementedError

    def models(self) -> tuple[ModelStatus, ...]:
        """Return every version of every model, in the order in which they were given, and where each stands."""
        raise NotImplementedError

    def metadata(self, name: str, version: str | None = None) -> ModelMetadata:
        """Return what a client must know of a model version; None: the newest that is ready.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: It is not loaded.
        """
        raise NotImplementedError

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
        raise NotImplementedError

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
        raise NotImplementedError

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
        raise NotImplementedError

    async def unload(self, name: str, version: str | None = None) -> None:
        """Take a model version (None: all) out of service, after the requests that it has are answered.

        Raises:
            NotFoundError: There is no such model or version.
        """
        raise NotImplementedError

    async def load(self, name: str, version: str | None = None) -> None:
        """Put a model version (None: all) back into service; one that is loaded stays as it is.

        Raises:
            NotFoundError: There is no such model or version.
            UnavailableError: The host is draining.
            RanDeployError: It cannot be opened.
        """
        raise NotImplementedError

    async def drain(self) -> None:
        """Refuse new requests with UnavailableError, and return when all that were accepted have been answered."""
        raise NotImplementedError

    async def close(self) -> None:
        """End at once: refuse what waits, stop the workers, free the engines. Closing twice is harmless."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Start the host."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the host."""
        await self.close()
