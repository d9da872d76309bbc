"""``predict_to_file``: any number of images to one file of predictions, resumable and in order."""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.files import require_writable
from ran_deploy.manifest import manifest_path
from ran_deploy.offline.inputs import Inputs, Survey
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.parts import Parts, claimed_parts, parts_folder, remove_left_over
from ran_deploy.offline.publish import publish_predictions
from ran_deploy.offline.ray_pool import Pool, ray_run
from ran_deploy.offline.record import PredictionsRecord, finished, identify
from ran_deploy.offline.run import Run, local_run
from ran_deploy.optional import require
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import Runtime

FORMATS = (".parquet", ".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictToFileResult:
    """A file of predictions."""

    path: Path
    record: PredictionsRecord
    reused: bool
    """Whether the same predictions were there already."""
    resumed: int
    """Images that earlier, interrupted runs had done."""
    elapsed_s: float
    images_per_s: float
    """Of this run; 0 where it had nothing to do."""


def predict_to_file(
    engine: Path | str,
    files: Sequence[Path | str],
    out: Path,
    *,
    top: int = 5,
    batch: int = 64,
    logits: bool = False,
    strict: bool = False,
    restart: bool = False,
    ray: str | None = None,
    ray_workers: int | None = None,
    threads: int | None = None,
    trust: bool = False,
    fallback: bool = False,
    runtime: Runtime = "auto",
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
) -> PredictToFileResult:
    """Classify any number of images and write one row for each, in order, to a Parquet file or JSON lines.

    Memory does not grow with the number of images. Rows that are done are kept in ``<out>.parts``: after a kill,
    Ctrl-C or an error, the same call goes on after them, and ends in the same bytes. In the end they are joined into
    ``out``, beside a manifest, and the folder is removed. :func:`~ran_deploy.offline.rows.row_line` tells the columns.

    Args:
        engine: Any engine.
        files: Images, folders that are searched for images in sorted order, ``.tar`` or ``.parquet`` shards, and
            ``@FILE`` for a list of such, one on each line.
        out: The file to write; ``.parquet`` or ``.jsonl``.
        top: How many classes to name for each image; never more than there are.
        batch: How many images to run at once.
        logits: Keep the logits too.
        strict: End at the first image that cannot be read; else it gets a row with an error.
        restart: Throw away an unfinished run, of these or of other inputs, instead of going on with it.
        ray: Compute in a pool of Ray actors: "local" starts a Ray on this machine, anything else is the address of a
            running one, whose machines must see the same files under the same names. The result is the same.
        ray_workers: Number of actors; None: as many as there are CPUs, or GPUs if the engine needs one, for.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        fallback: Run the ``.onnx`` file beside a plan that cannot run here.
        runtime: What runs it; see :func:`~ran_deploy.runtime.open.open_engine`.
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".

    Raises:
        UsageError: A file or the engine is missing, an option is out of range, an unfinished run of other inputs is in
            the way, or ``out`` cannot be written.
        IntegrityError: The engine or a shard is damaged, or with ``strict`` an image, or no image at all can be read.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
        GateError: The engine returned logits that are not finite.
    """
    started_s = time.monotonic()
    options = RowOptions(top=top, batch=batch, logits=logits, strict=strict)
    choice = EngineChoice(
        engine=engine, threads=threads, trust=trust, fallback=fallback, runtime=runtime, cuda_backend=cuda_backend
    )
    if ray is None and ray_workers is not None:
        raise UsageError(
            "--ray-workers is the size of a pool of Ray actors.", fix="Say where by --ray, such as --ray local."
        )
    pool = None if ray is None else Pool(address=ray, workers=ray_workers)
    _check_out(out)
    inputs = Inputs(files)
    survey = inputs.survey(apart_from=out, count=pool is not None)
    require_writable(out)
    with _opened(choice, inputs, options, survey, pool) as run:
        identity = identify(run.info, choice, options, survey.digest)
        record = finished(out, identity.key)
        if record is not None:
            remove_left_over(out, identity)
            _accept(record.errors, options)
            return _result(out, record, started_s, reused=True)
        with claimed_parts(out, identity, restart=restart) as parts:
            resumed = parts.done
            _accept(parts.errors, options)
            _compute(run, parts, survey)
            if parts.done == 0:
                raise inputs.nothing()
            if inputs.survey(apart_from=out).digest != survey.digest or survey.images not in (None, parts.done):
                raise UsageError(
                    f"The inputs changed while they were read; {out} was not written.",
                    fix="Run it again with --restart when nothing writes to them any more.",
                )
            if parts.errors == parts.done:
                parts.remove()
                raise _unreadable(parts.done, out)
            record = publish_predictions(out, Path(engine), inputs, identity, parts)
            parts.remove()
    return _result(out, record, started_s, resumed=resumed)


def _opened(
    choice: EngineChoice, inputs: Inputs, options: RowOptions, survey: Survey, pool: Pool | None
) -> contextlib.AbstractContextManager[Run]:
    if pool is None:
        return local_run(choice, inputs, options)
    return ray_run(choice, inputs, options, survey.images or 0, pool)


def _check_out(out: Path) -> None:
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", fix="Name the file to write.")
    if out.suffix not in FORMATS:
        raise UsageError(f"The file to write is {out}; its name must end in {' or '.join(FORMATS)}.")
    if out.suffix == ".parquet":
        require("pyarrow", f"Writing {out}")
    # A kill between the two may leave the file without its manifest, but then the parts are still there.
    if out.exists() and not manifest_path(out).exists() and not parts_folder(out).exists():
        raise UsageError(
            f"{out} exists and has no manifest beside it, so ran-deploy predict did not write it.",
            fix="Give another name, or remove the file.",
        )


def _accept(errors: int, options: RowOptions) -> None:
    """Make sure that a strict run does not take over what one that is not has left."""
    if errors and options.strict:
        raise IntegrityError(
            f"{errors} of the images that an earlier run has done could not be read.",
            fix="Leave --strict out and look into the column error.",
        )


def _unreadable(images: int, out: Path) -> IntegrityError:
    which = "The only image could not" if images == 1 else f"None of the {images} images could"
    return IntegrityError(
        f"{which} be read; {out} was not written.",
        fix="Run it with --strict, which says what is wrong with the first.",
    )


def _compute(run: Run, parts: Parts, survey: Survey) -> None:
    """Bring the parts to the end of the inputs; what is done when something fails stays."""
    if parts.done:
        _say(f"{parts.done} images were done before; going on after them")
    left = max(0, (survey.images or 0) - parts.done)
    try:
        with contextlib.closing(run.chunks(parts.done)) as chunks, Progress("predict", left, "images") as progress:
            for chunk in chunks:
                parts.add(chunk)
                progress.advance(chunk.rows)
        parts.flush()
    except BaseException:
        with contextlib.suppress(RanDeployError):
            parts.flush()
        if parts.done:
            _say(f"{parts.done} images are done and kept in {parts.folder}; the same command goes on after them")
        raise


def _result(
    out: Path, record: PredictionsRecord, started_s: float, *, reused: bool = False, resumed: int = 0
) -> PredictToFileResult:
    elapsed_s = time.monotonic() - started_s
    done = 0 if reused else record.images - resumed
    return PredictToFileResult(
        path=out,
        record=record,
        reused=reused,
        resumed=resumed,
        elapsed_s=elapsed_s,
        images_per_s=done / elapsed_s,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
