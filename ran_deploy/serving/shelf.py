"""Which model versions there are, and what stands in the place of each."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

from ran_deploy.errors import RanDeployError
from ran_deploy.serving.errors import NotFoundError, UnavailableError
from ran_deploy.serving.generation import Generation
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.results import ModelStatus, State
from ran_deploy.serving.spec import ModelSpec


class Place:
    """One version of one model, loaded or not."""

    def __init__(self, spec: ModelSpec, observer: Observer) -> None:
        self.spec = spec
        self.observer = observer
        self.generation: Generation | None = None
        self.lock = asyncio.Lock()
        """Held while what stands here is being changed."""
        self.reason = "It is not loaded yet."
        """Why nothing stands here."""
        self._loading = True

    @property
    def status(self) -> ModelStatus:
        """Where it stands."""
        reason = self.reason
        state: State = "loading" if self._loading else "unloaded"
        if self.generation is not None:
            reason = self.generation.failure
            state = "unavailable" if reason else "ready"
        return ModelStatus(name=self.spec.name, version=self.spec.version, state=state, reason=reason)

    def require(self) -> Generation:
        """Return what stands here.

        Raises:
            UnavailableError: Nothing does.
        """
        if self.generation is None:
            fix = "Try again later." if self._loading else "Load the model."
            raise UnavailableError(
                f"{self.spec.name} version {self.spec.version} cannot answer: {self.reason}", fix=fix
            )
        return self.generation

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Say that the engine is being opened, and afterwards why it was not, if so."""
        self._loading, self.reason = True, "It is being loaded."
        try:
            yield
        except RanDeployError as error:
            self.reason = error.message
            raise
        finally:
            self._loading = False


class Shelf:
    """All places, found by name and version."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = tuple(places)

    def find(self, name: str, version: str | None = None) -> Place:
        """Return a model version's place; without a version, the newest that is ready, or else the newest.

        Raises:
            NotFoundError: There is no such model or version.
        """
        versions = self.versions(name, version)
        ready = [place for place in versions if place.status.state == "ready"]
        return (ready or versions)[-1]

    def versions(self, name: str, version: str | None = None) -> list[Place]:
        """Return the places of a name, or of one version of it, oldest version first.

        Raises:
            NotFoundError: There is none.
        """
        found = [place for place in self.places if place.spec.name == name]
        if not found:
            known = ", ".join(sorted({place.spec.name for place in self.places}))
            raise NotFoundError(f"There is no model {name!r:.80}.", fix=f"Served are: {known}.")
        if version is not None:
            chosen = [place for place in found if place.spec.version == version]
            if not chosen:
                known = ", ".join(place.spec.version for place in found)
                raise NotFoundError(f"{name} has no version {version!r:.80}.", fix=f"It has: {known}.")
            return chosen
        return sorted(found, key=lambda place: _age(place.spec.version))


def _age(version: str) -> tuple[int, int, str]:
    """Order versions: numbers by their value, then names by the alphabet."""
    return (0, int(version), "") if version.isdecimal() else (1, 0, version)
