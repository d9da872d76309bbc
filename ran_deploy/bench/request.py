"""What one process is asked to measure, and what it answers; both travel between processes as JSON."""

from dataclasses import dataclass
from pathlib import Path

from ran_deploy.bench.options import BenchOptions
from ran_deploy.bench.search import Search
from ran_deploy.bench.series import Series
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Session, SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to measure, as it is handed to a process."""

    engine: str
    options: BenchOptions
    images: str | None = None
    threads: int | None = None
    trust: bool = False
    fallback: bool = False
    runtime: str = "auto"
    device: str = "auto"
    cuda_backend: str = "cuda-python"

    def open(self, path: Path | None = None) -> Session:
        """Open the engine, or another one in the same way; raises as :func:`ran_deploy.runtime.open.open_engine`."""
        return open_engine(
            self.engine if path is None else path,
            self.device,
            threads=self.threads,
            trust=self.trust or path is not None,
            fallback=self.fallback,
            runtime=self.runtime,  # type: ignore[arg-type]  # it comes from a file: open_engine checks it
            cuda_backend=self.cuda_backend,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process found."""

    session: SessionInfo
    boundaries: dict[str, str]
    """Each timed boundary and what the clock covers there."""
    inputs: str
    first_inference_ms: float
    series: tuple[Series, ...]
    search: Search | None
    peak_rss_bytes: int | None
