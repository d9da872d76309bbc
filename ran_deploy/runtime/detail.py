"""``evaluate_in_detail``: accuracy by class, confidence against accuracy, and both on images made worse."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.data.corrupt import Corruption, parse_corruption
from ran_deploy.data.dataset import Dataset, Images, Split
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import UsageError
from ran_deploy.figures import check_figure
from ran_deploy.files import require_output
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.confidence import Confidences, confidences, measure_calibration
from ran_deploy.runtime.confusion import class_accuracies, count_confusion, worst_mistakes
from ran_deploy.runtime.detail_plot import plot_detail
from ran_deploy.runtime.detail_report import write_report
from ran_deploy.runtime.detail_result import CorruptedAccuracy, DetailResult
from ran_deploy.runtime.evaluate import Tally, sample_count, spread_indices
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.paired import Classes
from ran_deploy.runtime.session import Session

_MISTAKES = 10


def evaluate_in_detail(
    engine: Path | str,
    dataset: str,
    data: Path | None = None,
    *,
    corrupt: Sequence[str] = (),
    plot: Path | None = None,
    report: Path | None = None,
    split: Split = "test",
    batch: int = 64,
    limit: int | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
) -> DetailResult:
    """Measure an engine's accuracy by class, its calibration, and what images made worse cost.

    Args:
        engine: Any engine.
        dataset: Name of the dataset.
        data: Its folder; "synthetic" needs none.
        corrupt: What to do to the images for further passes: "jpeg:QUALITY", "blur:SIGMA" or "noise:STD" each.
        plot: Draw reliability and confusion into this .svg, .png or .pdf file.
        report: Write the tables into this .md file.
        split: "test" or "train".
        batch: How many images to run at once.
        limit: Use only that many images, spread evenly over the split.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs it; see :func:`~ran_deploy.runtime.open.open_engine`.
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".

    Raises:
        UsageError: The engine or the data are missing, the dataset's classes are not the engine's, or a corruption or
            a name of a file cannot be used.
        IntegrityError: The engine or the data are damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        GateError: The engine returned logits that are not finite.
    """
    check_positive("--batch", batch)
    check_positive("--limit", limit)
    corruptions = _parsed(corrupt)
    if plot is not None:
        check_figure(plot, "The plot of confusion and reliability")
    if report is not None:
        require_output(report, ".md")
    with open_engine(
        engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
    ) as session:
        images = open_dataset(dataset, data, split)
        result = detail_session(session, images, corruptions, batch=batch, limit=limit)
    result = dataclasses.replace(result, plot=_text(plot), report=_text(report))
    if plot is not None:
        plot_detail(result, plot)
    if report is not None:
        write_report(result, report)
    return result


def detail_session(
    session: Session,
    dataset: Dataset,
    corruptions: Sequence[Corruption] = (),
    *,
    batch: int = 64,
    limit: int | None = None,
) -> DetailResult:
    """Measure an opened engine in detail, with progress on stderr.

    Each batch is read once, and run as it is and with each corruption.

    Raises:
        UsageError: The dataset's classes or image size are not the engine's, or it is empty.
        GateError: The engine returned logits that are not finite.
    """
    clean, *worse = passes = [_Pass(session, dataset) for _ in range(1 + len(corruptions))]
    seen = []
    with Progress("eval", len(passes) * sample_count(dataset, limit), "images") as progress:
        for indices in spread_indices(dataset, batch, limit):
            images = dataset.batch(indices)
            seen.append(indices)
            clean.add(images, indices)
            progress.advance(len(indices))
            for one, corruption in zip(worse, corruptions, strict=True):
                one.add(corruption.apply(images, indices), indices)
                progress.advance(len(indices))
    result, labels = clean.tally.result(), dataset.labels
    matrix = count_confusion(dataset.targets[np.concatenate(seen)], clean.tally.classes, len(labels))
    return DetailResult(
        **dataclasses.asdict(result),
        calibration=measure_calibration(clean.confidence, clean.tally.correct),
        labels=labels,
        classes=class_accuracies(matrix, labels),
        confusion=matrix,
        mistakes=worst_mistakes(matrix, labels, _MISTAKES),
        corrupted=tuple(_corrupted(clean, one, corruption) for one, corruption in zip(worse, corruptions, strict=True)),
    )


class _Pass:
    """What one pass over the images gave."""

    def __init__(self, session: Session, dataset: Dataset) -> None:
        self.tally = Tally(session, dataset)
        self._confidence: list[Confidences] = []

    def add(self, images: Images, indices: Classes) -> None:
        logits = self.tally.logits(images)
        self.tally.count(logits, indices)
        self._confidence.append(confidences(logits))

    @property
    def confidence(self) -> Confidences:
        return np.concatenate(self._confidence)


def _corrupted(clean: _Pass, worse: _Pass, corruption: Corruption) -> CorruptedAccuracy:
    result, calibration = worse.tally.result(), measure_calibration(worse.confidence, worse.tally.correct)
    return CorruptedAccuracy(
        corruption=corruption.name,
        description=corruption.description,
        top1=result.top1,
        top1_ci95=result.top1_ci95,
        ece_points=calibration.ece_points,
        mean_confidence=calibration.mean_confidence,
        against_clean=worse.tally.against(clean.tally),
    )


def _parsed(texts: Sequence[str]) -> list[Corruption]:
    corruptions = [parse_corruption(text) for text in texts]
    for place, corruption in enumerate(corruptions):
        if corruption in corruptions[:place]:
            raise UsageError(f"The corruption {corruption.name} is named twice.", fix="Name it once.")
    return corruptions


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
