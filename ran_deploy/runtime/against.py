"""``evaluate_against``: an engine's accuracy against a reference's, over one pass of the same images."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.data.dataset import Dataset, Split
from ran_deploy.data.open import open_dataset
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.evaluate import EvalResult, Tally, sample_count, spread_indices
from ran_deploy.runtime.gate import DEFAULT_MAX_DROP, Gate, GateResult, require_gate
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.paired import PairedAccuracy
from ran_deploy.runtime.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What an engine was compared with, and how it did."""

    reference: EvalResult
    paired: PairedAccuracy
    gate: GateResult | None
    """None where no drop is limited: a float32 engine without ``--max-drop``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstResult(EvalResult):
    """Accuracy of an engine, and its difference from a reference on the same images."""

    against: Against


def evaluate_against(
    engine: Path | str,
    reference: Path | str,
    dataset: str,
    data: Path | None = None,
    *,
    split: Split = "test",
    batch: int = 64,
    limit: int | None = None,
    max_drop: float | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
) -> AgainstResult:
    """Measure an engine and a reference on the same images, and gate on the difference.

    Args:
        engine: The candidate: any engine.
        reference: The engine to compare it with: of any kind.
        dataset: Name of the dataset.
        data: Its folder; "synthetic" needs none.
        split: "test" or "train".
        batch: How many images to run at once.
        limit: Use only that many images, spread evenly over the split.
        max_drop: Percentage points that the candidate may lose; None: 0.1 for an fp16 engine, 0.5 for int8, by
            its manifest, and no gate for others.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open engines without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs the candidate if it is an ``.onnx`` file; the reference runs in its own default.
        cuda_backend: What drives the GPU for plans: "cuda-python" or "pycuda".

    Raises:
        UsageError: An engine or the data are missing, or the dataset's classes are not the engines'.
        IntegrityError: An engine or the data are damaged.
        IncompatibleError: An engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        GateError: The candidate loses too much, or an engine returned logits that are not finite.
    """
    check_positive("--batch", batch)
    check_positive("--limit", limit)
    gate = None if max_drop is None else Gate(max_drop=max_drop)
    with (
        open_engine(
            engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
        ) as candidate,
        open_engine(reference, threads=threads, trust=trust, fallback=fallback, cuda_backend=cuda_backend) as baseline,
    ):
        images = open_dataset(dataset, data, split)
        mine, theirs, paired = compare_sessions(baseline, candidate, images, batch=batch, limit=limit)
        gate = gate or _default_gate(candidate)
    verdict = None if gate is None else _judged(paired, gate, candidate, baseline)
    return AgainstResult(**dataclasses.asdict(mine), against=Against(reference=theirs, paired=paired, gate=verdict))


def compare_sessions(
    reference: Session, candidate: Session, dataset: Dataset, *, batch: int = 64, limit: int | None = None
) -> tuple[EvalResult, EvalResult, PairedAccuracy]:
    """Run two opened engines over the same images, read once, with progress on stderr.

    Returns:
        The candidate's accuracy, the reference's, and their comparison.

    Raises:
        UsageError: The dataset's classes or image size are not an engine's, or it is empty.
        GateError: An engine returned logits that are not finite.
    """
    theirs, mine = Tally(reference, dataset), Tally(candidate, dataset)
    with Progress("eval against", sample_count(dataset, limit), "images") as progress:
        for indices in spread_indices(dataset, batch, limit):
            images = dataset.batch(indices)
            for tally in (theirs, mine):
                tally.add(images, indices)
            progress.advance(len(indices))
    return mine.result(), theirs.result(), mine.against(theirs)


def _default_gate(candidate: Session) -> Gate | None:
    asked = candidate.manifest.precision.asked if candidate.manifest else "fp32"
    return Gate(max_drop=DEFAULT_MAX_DROP[asked]) if asked in DEFAULT_MAX_DROP else None


def _judged(paired: PairedAccuracy, gate: Gate, candidate: Session, reference: Session) -> GateResult:
    return require_gate(paired, gate, candidate=candidate.info.engine, reference=reference.info.engine)
