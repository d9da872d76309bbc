"""``evaluate_with_flip``: what averaging over each image and its mirror image would add to an engine's accuracy."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.data.dataset import Dataset, Split
from ran_deploy.data.open import open_dataset
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.evaluate import EvalResult, Tally, sample_count, spread_indices
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.paired import PairedAccuracy
from ran_deploy.runtime.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Accuracy with the mean of the logits of each image and of its mirror image, left to right: at twice the cost."""

    top1: float
    """Percent of the images whose likeliest class is right."""
    top5: float | None
    """Percent whose right class is among the five likeliest; None with fewer than six classes."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% confidence interval of ``top1``, in percent."""
    paired: PairedAccuracy
    """Its difference from the plain accuracy, which is the reference, on the same images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipResult(EvalResult):
    """Accuracy of an engine as it is deployed, and apart from it that with the mirror images; no gate looks at it."""

    flip: Flip


def evaluate_with_flip(
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
) -> FlipResult:
    """Measure an engine's accuracy as :func:`~ran_deploy.runtime.evaluate.evaluate`, and once more with mirror images.

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
        return flip_session(session, open_dataset(dataset, data, split), batch=batch, limit=limit)


def flip_session(session: Session, dataset: Dataset, *, batch: int = 64, limit: int | None = None) -> FlipResult:
    """Measure an opened engine with and without mirror images, with progress on stderr.

    Raises:
        UsageError: The dataset's classes or image size are not the engine's, or it is empty.
        GateError: The engine returned logits that are not finite.
    """
    plain, mean = Tally(session, dataset), Tally(session, dataset)
    with Progress("eval with mirror images", sample_count(dataset, limit), "images") as progress:
        for indices in spread_indices(dataset, batch, limit):
            images = dataset.batch(indices)
            logits = plain.logits(images)
            mirrored = mean.logits(np.ascontiguousarray(images[:, :, ::-1]))
            plain.count(logits, indices)
            mean.count(np.asarray((logits + mirrored) / 2, np.float32), indices)
            progress.advance(len(indices))
    whole, both = plain.result(), mean.result()
    flip = Flip(top1=both.top1, top5=both.top5, top1_ci95=both.top1_ci95, paired=mean.against(plain))
    return FlipResult(**dataclasses.asdict(whole), flip=flip)
