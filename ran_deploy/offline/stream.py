"""From images to predictions, batch by batch: decoding runs ahead in threads while the engine computes."""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ran_deploy.data.dataset import Images
from ran_deploy.errors import RanDeployError
from ran_deploy.offline.item import Item, load
from ran_deploy.offline.options import RowOptions
from ran_deploy.runtime.batching import run_images
from ran_deploy.runtime.predict import Guess, best_guesses
from ran_deploy.runtime.session import Logits, Session
from ran_deploy.runtime.threads import usable_cpus

_MOST_THREADS = 8
_BATCHES_AHEAD = 2
"""Decoded images that may wait, in batches."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an engine says of one image."""

    file: str
    member: str | None
    """Its name or row in a shard; None for a file of its own."""
    top: tuple[Guess, ...] = ()
    """The likeliest classes, likeliest first; none where there is an error."""
    logits: Logits | None = None
    """float32 [classes], where they were asked for."""
    error: RanDeployError | None = None
    """Why the image could not be read."""


def predict_items(session: Session, items: Iterable[Item], options: RowOptions) -> Generator[list[Prediction]]:
    """Yield the predictions of ``options.batch`` images after another, in their order; the last time of fewer.

    Which images share a batch depends on their order alone, so that a run which begins at a multiple of the batch
    size repeats the same computation to the last bit. A batch with unreadable images is run without them.

    Raises:
        RanDeployError: With ``options.strict``, the first error of an image.
        GateError: The engine returned logits that are not finite.
    """
    rule = session.contract.preprocessing

    def attempt(item: Item) -> tuple[Item, Images | RanDeployError]:
        try:
            return item, load(item, rule)
        except RanDeployError as error:
            return item, error

    # Pillow decodes and resizes without the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(min(_MOST_THREADS, usable_cpus())) as pool:
        loaded = _in_order(pool, attempt, items, _BATCHES_AHEAD * options.batch)
        try:
            while batch := list(itertools.islice(loaded, options.batch)):
                yield _predict(session, batch, options)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)  # or Ctrl-C would wait for the images ahead


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[_In], _Out], inputs: Iterable[_In], ahead: int
) -> Iterator[_Out]:
    """Map like :meth:`ThreadPoolExecutor.map`, but take at most ``ahead`` inputs before their results are asked for."""
    waiting: deque[Future[_Out]] = deque()
    for one in inputs:
        waiting.append(pool.submit(function, one))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _predict(
    session: Session, batch: list[tuple[Item, Images | RanDeployError]], options: RowOptions
) -> list[Prediction]:
    errors = [loaded for _, loaded in batch if isinstance(loaded, RanDeployError)]
    if errors and options.strict:
        raise errors[0]
    images = [loaded for _, loaded in batch if not isinstance(loaded, RanDeployError)]
    answers: Iterator[tuple[tuple[Guess, ...], Logits]] = iter(())
    if images:
        logits = run_images(session, np.stack(images))
        answers = zip(best_guesses(logits, session.contract.labels, options.top), logits, strict=True)
    return [_prediction(item, loaded, answers, options) for item, loaded in batch]


def _prediction(
    item: Item,
    loaded: Images | RanDeployError,
    answers: Iterator[tuple[tuple[Guess, ...], Logits]],
    options: RowOptions,
) -> Prediction:
    if isinstance(loaded, RanDeployError):
        return Prediction(file=item.file, member=item.member, error=loaded)
    top, logits = next(answers)
    return Prediction(file=item.file, member=item.member, top=top, logits=logits if options.logits else None)
