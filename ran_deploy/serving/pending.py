"""What waits to be computed: requests, cut into pieces that fit a batch, in the order in which they came."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.runtime.session import Logits


@dataclass(slots=True, eq=False)
class Request:
    """One caller's images, and the logits that have come back so far."""

    images: npt.NDArray[Any]
    submitted: float
    answer: asyncio.Future[Logits]
    due: float = 0.0
    """When its batch starts, even if it is not full."""
    pieces: list["Piece"] = field(default_factory=list)
    begun: float | None = None
    """When the computing of its first piece began; None: it has not."""

    def accept(self) -> None:
        """Answer the caller if this was the last piece that was missing, and if it still listens."""
        parts = [piece.logits for piece in self.pieces if piece.logits is not None]
        if len(parts) == len(self.pieces) and not self.answer.done():
            self.answer.set_result(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def refuse(self, error: BaseException) -> None:
        """Give the caller an error, if it still listens."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True, eq=False)
class Piece:
    """Images of one request that are computed in one batch."""

    request: Request
    images: npt.NDArray[Any]
    logits: Logits | None = None

    def fits(self, other: "Piece") -> bool:
        """Return whether the images can stand in one array with another piece's."""
        mine, theirs = self.images, other.images
        return mine.dtype == theirs.dtype and mine.shape[1:] == theirs.shape[1:]


class Line:
    """The pieces that wait. Those of requests that have ended are taken out at once, so that its bound is real.

    Args:
        max_batch: Most images in a piece, and in what :meth:`take` returns.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._pieces: OrderedDict[Piece, None] = OrderedDict()
        self.depth = 0
        """How many images wait."""

    @property
    def head(self) -> Piece | None:
        """The piece that has waited longest."""
        return next(iter(self._pieces), None)

    def push(self, request: Request) -> None:
        """Let a request's images wait, in pieces that fit a batch."""
        images, most = request.images, self._max_batch
        request.pieces = [Piece(request, images[start : start + most]) for start in range(0, len(images), most)]
        self._pieces.update(dict.fromkeys(request.pieces))
        self.depth += len(images)

    def take(self) -> list[Piece]:
        """Take out the pieces of the next batch: from the head on, until one does not fit any more."""
        taken: list[Piece] = []
        room = self._max_batch
        for piece in self._pieces:
            if len(piece.images) > room or (taken and not piece.fits(taken[0])):
                break
            taken.append(piece)
            room -= len(piece.images)
            if room == 0:
                break
        for piece in taken:
            self._drop(piece)
        return taken

    def withdraw(self, request: Request) -> None:
        """Take out what still waits of a request."""
        for piece in request.pieces:
            if piece in self._pieces:
                self._drop(piece)

    def requests(self) -> list[Request]:
        """Return the requests that wait, each once."""
        return list(dict.fromkeys(piece.request for piece in self._pieces))

    def _drop(self, piece: Piece) -> None:
        del self._pieces[piece]
        self.depth -= len(piece.images)
