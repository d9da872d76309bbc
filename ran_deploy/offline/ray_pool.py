"""The same run as a pool of Ray Data actors, on this machine or on a cluster.

Source: Ray Data's guide to offline inference: a class that opens the model once in each actor, given to
``map_batches``. What travels is only the numbers of images and their rows; each actor reads the images itself, so
that all machines must see the same files under the same names.
"""

import contextlib
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ran_deploy.errors import RanDeployError
from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.ray_connection import connected
from ran_deploy.offline.ray_unit import Unit, UnitPredictor, describe
from ran_deploy.offline.run import Chunk, Run
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX, read_header
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.threads import usable_cpus

_UNIT_IMAGES = 512
"""What one actor computes at a time, and what is computed again when it is killed."""
_MOST_UNITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How the actors are to be had."""

    address: str
    """"local" starts a Ray on this machine; else that of a running one, such as "auto", "10.0.0.1:6379" or "ray://10.0.0.1:10001"."""
    workers: int | None = None
    """Number of actors; None: as many as there are CPUs, or GPUs if the engine needs one, for."""

    def __post_init__(self) -> None:
        """Check the count."""
        check_positive("--ray-workers", self.workers)


@contextlib.contextmanager
def ray_run(choice: EngineChoice, inputs: Inputs, options: RowOptions, images: int, pool: Pool) -> Iterator[Run]:
    """Connect to Ray and open the engine there.

    Args:
        choice: The engine.
        inputs: The images.
        options: What each row holds.
        images: How many images there are.
        pool: The actors.

    Raises:
        UsageError: Ray cannot be reached.
        MissingError: Ray is missing.
        RanDeployError: What opening the engine raises, and what prediction does.
    """
    each = _needs(choice)
    folder = Path.cwd()
    with connected(pool.address, (pool.workers or usable_cpus()) * each["num_cpus"]) as ray, _own_errors(ray):
        # Where the actors will be, since the driver may lack the GPU or the runtime.
        info = ray.get(ray.remote(**each)(describe).remote(choice, folder))

        def chunks(start: int) -> Generator[Chunk]:
            size = options.batch * -(-max(_UNIT_IMAGES, (images - start) // _MOST_UNITS) // options.batch)
            count = -(-(images - start) // size)
            if count == 0:
                return
            # Not ray.data.range, whose reading tasks would wait for a CPU while the actors hold them all.
            numbers = ray.data.from_items(range(count), override_num_blocks=count)
            rows = numbers.map_batches(
                UnitPredictor,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(count, pool.workers or _room(ray, each))),
                fn_constructor_kwargs={
                    "choice": choice,
                    "given": inputs.given,
                    "options": options,
                    "folder": folder,
                    "unit": Unit(first=start, size=size, end=images),
                },
                **each,
            )
            with _own_errors(ray), _in_order(ray):
                yield from _in_turn(rows.iter_rows(), count)

        yield Run(info=info, chunks=chunks)


def _in_turn(rows: Iterable[Mapping[str, Any]], count: int) -> Iterator[Chunk]:
    """Yield the parts by their numbers: after an actor's death Ray may return them in another order."""
    early: dict[int, Chunk] = {}
    due = 0
    for row in rows:
        early[row["unit"]] = Chunk(lines=row["lines"], rows=row["rows"], errors=row["errors"])
        while due in early:
            yield early.pop(due)
            due += 1
    if due < count:
        raise RanDeployError(f"Ray never returned part {due} of {count}.", fix="Give the same command again.")


def _needs(choice: EngineChoice) -> dict[str, int]:
    """Return what Ray must set aside for each actor."""
    engine = Path(choice.engine)
    name = read_header(engine).engine if engine.suffix == ARCHIVE_SUFFIX and engine.is_file() else engine.name
    on_gpu = name.endswith(".plan") or choice.runtime in ("onnxruntime-cuda", "onnxruntime-tensorrt")
    return {"num_cpus": choice.threads or 1, "num_gpus": int(on_gpu)}


def _room(ray: ModuleType, each: Mapping[str, int]) -> int:
    """Return how many actors there is room for."""
    there = ray.cluster_resources()
    counts = [
        int(there.get(kind, 0)) // each[name] for kind, name in (("CPU", "num_cpus"), ("GPU", "num_gpus")) if each[name]
    ]
    return max(1, min(counts))


@contextlib.contextmanager
def _in_order(ray: ModuleType) -> Iterator[None]:
    """Set Ray Data's own options, which are the process's, for a while; and let it be quiet."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.execution_options.preserve_order, context.enable_progress_bars, logger.level
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before[:2]
        logger.setLevel(before[2])


@contextlib.contextmanager
def _own_errors(ray: ModuleType) -> Iterator[None]:
    """Raise an error of ran-deploy's own that came from an actor as what it was there."""
    try:
        yield
    except ray.exceptions.RayError as error:
        inner: BaseException | None = error
        while inner is not None and type(inner).__module__ != RanDeployError.__module__:
            inner = getattr(inner, "cause", None) or inner.__cause__
        if inner is not None:
            raise inner from error
        raise RanDeployError(
            f"Ray failed: {' '.join(str(error).split()):.400}", fix="Look into Ray's logs, and give the command again."
        ) from error
