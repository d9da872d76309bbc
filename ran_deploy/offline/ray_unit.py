"""What runs inside Ray's actors: an engine, and the part of the images that it is given a number for."""

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.item import Item
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.run import compute
from ran_deploy.runtime.session import SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How the images are divided into parts that are computed in one go."""

    first: int
    """Number of the first image."""
    size: int
    """Images in each part, a multiple of the batch size."""
    end: int
    """Number after the last image."""

    def span(self, number: int) -> tuple[int, int]:
        """Return the number of a part's first image, and that after its last one."""
        start = self.first + number * self.size
        return start, min(start + self.size, self.end)


class UnitPredictor:
    """Opens the engine once, and computes the rows of one part after another.

    Args:
        choice: The engine.
        given: The inputs.
        options: What each row holds.
        folder: The folder that relative paths are relative to.
        unit: The parts.
    """

    def __init__(
        self, *, choice: EngineChoice, given: tuple[str, ...], options: RowOptions, folder: Path, unit: Unit
    ) -> None:
        os.chdir(folder)  # an actor has a process of its own
        self._options = options
        self._unit = unit
        self._inputs = Inputs(given)
        self._session = choice.open()
        self._items: Iterator[Item] = iter(())
        self._place: int | None = None
        """Number of the image that ``_items`` yields next."""

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the rows of one part, whose number is ``batch["item"]``, [1]."""
        (number,) = (int(one) for one in batch["item"])
        start, end = self._unit.span(number)
        if self._place is None or self._place > start:
            self._items, self._place = self._inputs.items(start), start
        # Those that other actors had are passed over.
        items = itertools.islice(self._items, start - self._place, end - self._place)
        self._place = None  # in case of a failure in between
        chunks = list(compute(self._session, items, self._options))
        self._place = end
        return {
            "unit": [number],
            "lines": [b"".join(chunk.lines for chunk in chunks)],
            "rows": [sum(chunk.rows for chunk in chunks)],
            "errors": [sum(chunk.errors for chunk in chunks)],
        }


def describe(choice: EngineChoice, folder: Path) -> SessionInfo:
    """Open the engine where Ray puts this call, and return what runs it there."""
    os.chdir(folder)
    with choice.open() as session:
        return session.info
