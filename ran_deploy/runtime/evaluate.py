"""``evaluate``: the accuracy of an engine on a labelled dataset, with its uncertainty."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.data.dataset import Dataset, Images, Split, batches
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import UsageError
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive, run_images
from ran_deploy.runtime.caveats import caveats
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.paired import Classes, Flags, PairedAccuracy, compare_predictions
from ran_deploy.runtime.session import Logits, Session

_Z95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """Accuracy of one engine, in percent."""

    engine: str
    sha256: str
    runtime: str
    dataset: str
    split: str
    samples: int
    """Number of images."""
    top1: float
    """Percent of the images whose likeliest class is right."""
    top5: float | None
    """Percent whose right class is among the five likeliest; None with fewer than six classes."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% confidence interval of ``top1``, in percent."""
    notes: tuple[str, ...]
    """What a reader should know of the figures, in words."""


def evaluate(
    engine: Path | str,
    dataset: str,
    data: Path | None = None,
    *,
    split: Split = "test",
    batch: int = 64,
    limit: int | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
) -> EvalResult:
    """Measure an engine's top-1 and top-5 accuracy.

    Args:
        engine: Any engine.
        dataset: Name of the dataset.
        data: Its folder; "synthetic" needs none.
        split: "test" or "train".
        batch: How many images to run at once.
        limit: Use only that many images, spread evenly over the split.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs it; see :func:`~ran_deploy.runtime.open.open_engine`.
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".

    Raises:
        UsageError: The engine or the data are missing, or the dataset's classes are not the engine's.
        IntegrityError: The engine or the data are damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        GateError: The engine returned logits that are not finite.
    """
    check_positive("--batch", batch)
    check_positive("--limit", limit)
    with open_engine(
        engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
    ) as session:
        return evaluate_session(session, open_dataset(dataset, data, split), batch=batch, limit=limit)


def evaluate_session(session: Session, dataset: Dataset, *, batch: int = 64, limit: int | None = None) -> EvalResult:
    """Measure an opened engine's accuracy, with progress on stderr.

    Args:
        session: The engine.
        dataset: Labelled images.
        batch: How many images to run at once.
        limit: Use only that many images, spread evenly over the dataset.

    Raises:
        UsageError: The dataset's classes or image size are not the engine's, or it is empty.
        GateError: The engine returned logits that are not finite.
    """
    tally = Tally(session, dataset)
    with Progress("eval", sample_count(dataset, limit), "images") as progress:
        for indices in spread_indices(dataset, batch, limit):
            tally.add(dataset.batch(indices), indices)
            progress.advance(len(indices))
    return tally.result()


class Tally:
    """Counts one engine's hits, batch by batch, and keeps its answers to compare them with another's.

    Args:
        session: The engine.
        dataset: The labelled images that it will be shown.

    Raises:
        UsageError: The dataset's classes or image size are not the engine's.
    """

    def __init__(self, session: Session, dataset: Dataset) -> None:
        _check_same_classes(session, dataset)
        self._session, self._dataset = session, dataset
        self._samples = self._first = self._five = 0
        self._classes: list[Classes] = []
        self._correct: list[Flags] = []

    @property
    def classes(self) -> Classes:
        """The likeliest class of each image added so far, [N]."""
        return np.concatenate(self._classes)

    @property
    def correct(self) -> Flags:
        """Whether that is right, [N]."""
        return np.concatenate(self._correct)

    def add(self, images: Images, indices: npt.NDArray[np.int64]) -> None:
        """Run the dataset's images at ``indices`` and count.

        Raises:
            GateError: The engine returned logits that are not finite.
        """
        self.count(self.logits(images), indices)

    def logits(self, images: Images) -> Logits:
        """Run images and return their logits without counting.

        Raises:
            GateError: The engine returned logits that are not finite.
        """
        return run_images(self._session, images)

    def count(self, logits: Logits, indices: npt.NDArray[np.int64]) -> None:
        """Count logits of the dataset's images at ``indices``."""
        order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
        hits = order == self._dataset.targets[indices][:, None]
        self._samples += len(indices)
        self._first += int(hits[:, 0].sum())
        self._five += int(hits.any(axis=1).sum())
        self._classes.append(order[:, 0])
        self._correct.append(hits[:, 0])

    def against(self, reference: "Tally") -> PairedAccuracy:
        """Compare with what another engine answered to the same images in the same order."""
        return compare_predictions(reference.correct, self.correct, reference.classes, self.classes)

    def result(self) -> EvalResult:
        """Return the accuracy on the images added so far, at least one."""
        session, dataset, samples = self._session, self._dataset, self._samples
        low, high = wilson_interval(self._first, samples)
        return EvalResult(
            engine=session.info.engine,
            sha256=session.info.sha256,
            runtime=session.info.runtime,
            dataset=dataset.info.name,
            split=dataset.split,
            samples=samples,
            top1=100 * self._first / samples,
            top5=100 * self._five / samples if len(dataset.labels) > 5 else None,
            top1_ci95=(100 * low, 100 * high),
            notes=caveats(session.info),
        )


def sample_count(dataset: Dataset, limit: int | None) -> int:
    """Return how many images of a dataset to use.

    Raises:
        UsageError: The dataset is empty.
    """
    samples = min(limit or len(dataset), len(dataset))
    check_positive(f"The number of images in {dataset.info.name}", samples)
    return samples


def spread_indices(dataset: Dataset, batch: int, limit: int | None) -> Iterator[npt.NDArray[np.int64]]:
    """Yield batches of indices, spread evenly over the dataset where ``limit`` takes a part of it."""
    samples = sample_count(dataset, limit)
    for part in batches(samples, batch):
        yield part * len(dataset) // samples


def wilson_interval(hits: int, samples: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a proportion, on the scale 0 to 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share, weight = hits / samples, _Z95**2 / samples
    centre = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def _check_same_classes(session: Session, dataset: Dataset) -> None:
    contract, name, engine = session.contract, dataset.info.name, session.info.engine
    if len(dataset.labels) != len(contract.labels):
        raise UsageError(
            f"{engine} has {len(contract.labels)} classes; the dataset {name} has {len(dataset.labels)}.",
            fix="Evaluate it on the dataset that it was made for.",
        )
    # An engine opened on trust has no labels of its own, and some copies of a dataset lack theirs.
    named = session.manifest is not None and dataset.labels != tuple(map(str, range(len(dataset.labels))))
    for index, (mine, yours) in enumerate(zip(contract.labels, dataset.labels, strict=True)):
        if named and mine != yours:
            raise UsageError(
                f"{engine} calls class {index} {mine!r}; the dataset {name} calls it {yours!r}.",
                fix="Evaluate it on the dataset that it was made for.",
            )
    if dataset.info.size != contract.preprocessing.size:
        raise UsageError(
            f"{engine} takes images of {contract.preprocessing.size} pixels; those of {name} have {dataset.info.size}.",
            fix="Evaluate it on the dataset that it was made for.",
        )
