"""Opens engines into their places on the shelf and takes them out again, without losing a request."""

import asyncio

from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.generation import Generation
from ran_deploy.serving.shelf import Place, Shelf
from ran_deploy.serving.spec import HostOptions


class Keeper:
    """The one that changes what stands on a shelf.

    Args:
        shelf: The places; each has a lock, which is held while what stands there changes.
        options: How each engine is served.
    """

    def __init__(self, shelf: Shelf, options: HostOptions) -> None:
        self._shelf = shelf
        self._options = options
        self._retiring: dict[asyncio.Task[None], Generation] = {}
        self.admits = True
        """Whether requests and engines are still taken; turned off for good by :meth:`drain` and :meth:`close`."""

    def check_admits(self) -> None:
        """Make sure that requests and engines are still taken.

        Raises:
            UnavailableError: They are not.
        """
        if not self.admits:
            raise UnavailableError("The service is stopping and takes no requests.", fix="Ask another instance.")

    async def put(self, place: Place) -> None:
        """Open the engine of a place that is empty; one that is loaded stays as it is.

        Raises:
            UnavailableError: The host is draining.
            RanDeployError: It cannot be opened.
        """
        async with place.lock:
            if place.generation is None:
                with place.loading():
                    place.generation = await self._open(place)

    async def replace(self, place: Place) -> Generation:
        """Open the engine of a place again, and return it when the requests on the old one are answered.

        Raises:
            UnavailableError: Nothing stands there, or the host is draining.
            RanDeployError: The new file cannot be opened; the old engine stays.
        """
        async with place.lock:
            old = place.require()
            new = await self._open(place)
            place.generation = new
        await self._retire(old)
        return new

    async def take_out(self, place: Place) -> None:
        """Empty a place, and return when the requests on its engine are answered."""
        async with place.lock:
            old, place.generation = place.generation, None
            place.reason = "It was unloaded."
        if old is not None:
            await self._retire(old)

    async def drain(self) -> None:
        """Admit nothing more, and return when all that was accepted has been answered."""
        self.admits = False
        await asyncio.gather(*(generation.gate.emptied(None) for generation in self._generations()))

    async def close(self) -> None:
        """Admit nothing more, and free the engines at once."""
        self.admits = False
        generations = self._generations()
        await asyncio.gather(*(generation.close() for generation in generations), *self._retiring)
        for place in self._shelf.places:
            place.generation, place.reason = None, "The host is closed."

    async def _open(self, place: Place) -> Generation:
        self.check_admits()
        generation = await Generation.open(place.spec, self._options, place.observer)
        if not self.admits:  # the host was closed meanwhile
            await generation.close()
            self.check_admits()
        return generation

    async def _retire(self, generation: Generation) -> None:
        """Free an engine once its requests are answered, even if the caller does not wait for that."""
        task = asyncio.ensure_future(generation.retire())
        self._retiring[task] = generation
        task.add_done_callback(self._retiring.pop)
        await asyncio.shield(task)

    def _generations(self) -> list[Generation]:
        current = [place.generation for place in self._shelf.places if place.generation is not None]
        return [*current, *self._retiring.values()]
