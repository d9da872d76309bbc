"""``predict``: images to labels with their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.stream import predict_items
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import Runtime
from ran_deploy.runtime.predict import Guess


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePrediction:
    """The likeliest classes of one image."""

    file: Path
    """The image file, or the shard that holds it."""
    member: str | None = None
    """Its name or row in the shard; None for a file of its own."""
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
    files: Sequence[Path | str],
    *,
    top: int = 5,
    batch: int = 64,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
) -> PredictResult:
    """Classify images and return the answers; :func:`~ran_deploy.offline.to_file.predict_to_file` is for many.

    Args:
        engine: Any engine.
        files: Images, folders that are searched for images in sorted order, ``.tar`` or ``.parquet`` shards, and
            ``@FILE`` for a list of such, one on each line.
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
    options = RowOptions(top=top, batch=batch, strict=True)
    choice = EngineChoice(
        engine=engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
    )
    inputs = Inputs(files)
    survey = inputs.survey()
    found: list[FilePrediction] = []
    with choice.open() as session:
        with Progress("predict", survey.images or 0, "images") as progress:
            for part in predict_items(session, inputs.items(), options):
                found += [FilePrediction(file=Path(one.file), member=one.member, top=one.top) for one in part]
                progress.advance(len(part))
        info = session.info
    if not found:
        raise inputs.nothing()
    return PredictResult(engine=info.engine, sha256=info.sha256, runtime=info.runtime, predictions=tuple(found))
