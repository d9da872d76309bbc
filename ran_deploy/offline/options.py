"""What is asked of offline prediction: which engine, and what each row holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """An engine and how to open it, as :func:`~ran_deploy.runtime.open.open_engine` takes it."""

    engine: Path | str
    threads: int | None = None
    trust: bool = False
    fallback: bool = False
    runtime: Runtime = "auto"
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python"

    def open(self) -> Session:
        """Open it. Raises as :func:`~ran_deploy.runtime.open.open_engine`."""
        return open_engine(
            self.engine,
            threads=self.threads,
            trust=self.trust,
            fallback=self.fallback,
            runtime=self.runtime,
            cuda_backend=self.cuda_backend,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """What is computed for each image.

    Raises:
        UsageError: A value is out of range.
    """

    top: int = 5
    """How many classes are named; never more than there are."""
    batch: int = 64
    """How many images are run at once."""
    logits: bool = False
    """Whether the logits are kept too."""
    strict: bool = False
    """Whether the first image that cannot be read ends the run."""

    def __post_init__(self) -> None:
        """Check the counts."""
        check_positive("--top", self.top)
        check_positive("--batch", self.batch)
