"""A run over images as a stream of chunks of rows, whatever computes them."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.item import Item
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.rows import row_line
from ran_deploy.offline.stream import predict_items
from ran_deploy.runtime.session import Session, SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that follow one another."""

    lines: bytes
    """As JSON, one on each line; see :func:`~ran_deploy.offline.rows.row_line`."""
    rows: int
    errors: int
    """How many of them are of images that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An engine that is ready to go through the inputs."""

    info: SessionInfo
    chunks: Callable[[int], Generator[Chunk]]
    """Computes the rows from that number on, a multiple of the batch size, in order."""


@contextlib.contextmanager
def local_run(choice: EngineChoice, inputs: Inputs, options: RowOptions) -> Iterator[Run]:
    """Open the engine in this process. Raises as :func:`~ran_deploy.runtime.open.open_engine`."""
    with choice.open() as session:
        yield Run(info=session.info, chunks=lambda start: compute(session, inputs.items(start), options))


def compute(session: Session, items: Iterable[Item], options: RowOptions) -> Generator[Chunk]:
    """Yield the rows of each batch. Raises as :func:`~ran_deploy.offline.stream.predict_items`."""
    for batch in predict_items(session, items, options):
        lines = b"".join(row_line(prediction, logits=options.logits) for prediction in batch)
        errors = sum(prediction.error is not None for prediction in batch)
        yield Chunk(lines=lines, rows=len(batch), errors=errors)
