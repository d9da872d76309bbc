"""Which engines a host serves, under which names and versions, and how they are run."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from ran_deploy.errors import UsageError
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.open import Runtime

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One version of one model: the engine's file, and how to open it."""

    name: str
    """What clients call it: letters, digits, ".", "_" and "-"."""
    path: Path
    version: str = ""
    """Empty: numbered from 1 among the specs of the same name; see :func:`numbered`."""
    runtime: Runtime = "auto"
    device: str = "auto"
    threads: int | None = None
    """CPU threads of each worker; None: the CPUs divided by the workers."""
    trust: bool = False
    fallback: bool = False
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python"

    def __post_init__(self) -> None:
        """Check the name and the version, which become parts of addresses."""
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(
                f"A model cannot be served as {self.name!r:.80}; a name is letters, digits, '.', '_' and '-'.",
                fix="Name it: --engine NAME=PATH",
            )
        if self.version and _VERSION.fullmatch(self.version) is None:
            raise UsageError(
                f"The version of {self.name} is {self.version!r:.80}; expected a number, or letters and digits.",
                fix="Write: --engine NAME@VERSION=PATH",
            )

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        runtime: Runtime = "auto",
        device: str = "auto",
        threads: int | None = None,
        trust: bool = False,
        fallback: bool = False,
        cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
    ) -> Self:
        """Read ``PATH``, ``NAME=PATH`` or ``NAME@VERSION=PATH``; a path alone is named after its file.

        Raises:
            UsageError: The name or the version cannot be used.
        """
        named, found, path = text.partition("=")
        if not found or Path(text).exists():
            named, path = Path(text).stem, text
        name, _, version = named.partition("@")
        return cls(
            name=name,
            version=version,
            path=Path(path),
            runtime=runtime,
            device=device,
            threads=threads,
            trust=trust,
            fallback=fallback,
            cuda_backend=cuda_backend,
        )


def numbered(specs: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
    """Give each spec without a version the lowest number from 1 that no spec of its name has, in order.

    Raises:
        UsageError: Two specs have the same name and version.
    """
    taken = {(spec.name, spec.version) for spec in specs if spec.version}
    if len(taken) < sum(bool(spec.version) for spec in specs):
        raise UsageError("Two engines have the same name and version.", fix="Give each a version: NAME@VERSION=PATH")
    complete = []
    for spec in specs:
        version = spec.version
        if not version:
            version = next(str(n) for n in range(1, len(specs) + 1) if (spec.name, str(n)) not in taken)
            taken.add((spec.name, version))
        complete.append(replace(spec, version=version))
    return tuple(complete)


_MOST_WORKERS = 256
_MOST_BATCH = 4096
"""Memory for a batch's images is set aside in each worker before the first request comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """How each model is served."""

    workers: int = 1
    """Worker processes of each model; 0: a thread of this process computes."""
    max_batch: int = 32
    """Most images in one run; an engine that takes fewer lowers it."""
    max_delay_s: float = 0.002
    """How long the first request of a batch waits for others."""
    lone_waits: bool = False
    """Whether it waits even if no other came in the ``max_delay_s`` before it."""
    queue: int = 1024
    """Most images of one model that wait; more are refused with QueueFullError."""
    max_pixels: int = 16 * 1024 * 1024
    """Encoded images of more pixels are refused before a pixel is decoded."""
    restarts: int = 5
    """How often in a row, without one good batch between, a model's workers may die or fail to start."""
    hang_s: float | None = 120.0
    """How long a worker process may compute one batch before it is taken for hung, killed and replaced; None: for ever.
    A thread of this process cannot be killed: there a hang lasts."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, value in (
            ("--max-batch", self.max_batch),
            ("--queue", self.queue),
            ("--max-pixels", self.max_pixels),
        ):
            check_positive(name, value)
        if self.max_batch > _MOST_BATCH:
            raise UsageError(f"--max-batch is {self.max_batch}; expected at most {_MOST_BATCH}.")
        if not 0 <= self.workers <= _MOST_WORKERS:
            raise UsageError(
                f"--workers is {self.workers}; expected 0 to {_MOST_WORKERS}.",
                fix="Each has the engine open; one for each GPU, or for each few CPUs, is usual.",
            )
        if self.restarts < 0:
            raise UsageError(f"restarts is {self.restarts}; expected 0 or more.")
        if self.hang_s is not None and not self.hang_s > 0:
            raise UsageError(f"hang_s is {self.hang_s}; expected more than 0, or None.")
        if not 0 <= self.max_delay_s <= 60:
            raise UsageError(f"--max-delay-ms is {1000 * self.max_delay_s:g}; expected 0 to 60,000.")
