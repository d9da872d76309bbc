"""``predict``: image files to labels with their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.data.preprocess import find_images, load_images
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive, run_images
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One class that an image may show."""

    label: str
    index: int
    """Position among the logits."""
    probability: float
    """Softmax of the logits, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePrediction:
    """The likeliest classes of one image."""

    file: Path
    top: tuple[Guess, ...]
    """Likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """The predictions, in the order of the files."""

    engine: str
    sha256: str
    runtime: str
    predictions: tuple[FilePrediction, ...]


def predict(
    engine: Path | str,
    files: Sequence[Path],
    *,
    top: int = 5,
    batch: int = 64,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
) -> PredictResult:
    """Classify image files.

    Args:
        engine: Any engine.
        files: Images, or folders that are searched for images, in sorted order.
        top: How many classes to return for each image; never more than there are.
        batch: How many images to run at once.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs it; see :func:`~ran_deploy.runtime.open.open_engine`.
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".

    Raises:
        UsageError: A file or the engine is missing, or an option is out of range.
        IntegrityError: A file is not an image, or the engine is damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        GateError: The engine returned logits that are not finite.
    """
    check_positive("--top", top)
    check_positive("--batch", batch)
    paths = find_images(files)
    predictions: list[FilePrediction] = []
    with open_engine(
        engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
    ) as session:
        contract = session.contract
        with Progress("predict", len(paths), "images") as progress:
            for start in range(0, len(paths), batch):
                part = paths[start : start + batch]
                logits = run_images(session, load_images(part, contract.preprocessing))
                guesses = best_guesses(logits, contract.labels, top)
                predictions += [FilePrediction(file=path, top=best) for path, best in zip(part, guesses, strict=True)]
                progress.advance(len(part))
        info = session.info
    return PredictResult(engine=info.engine, sha256=info.sha256, runtime=info.runtime, predictions=tuple(predictions))


def best_guesses(logits: Logits, labels: tuple[str, ...], top: int) -> list[tuple[Guess, ...]]:
    """Return the ``top`` likeliest classes of each row of logits [N, classes]; of equal ones, the first."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    return [
        tuple(Guess(label=labels[index], index=int(index), probability=float(row[index])) for index in best)
        for row, best in zip(probabilities, order, strict=True)
    ]
