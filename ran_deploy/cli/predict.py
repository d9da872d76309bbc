"""``ran-deploy predict``: images to labels, on the screen or in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ran_deploy.cli.engine_options import BatchSize, CudaBackend, Engine, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note, size_text, table
from ran_deploy.errors import UsageError

if TYPE_CHECKING:
    from ran_deploy.offline.to_file import PredictToFileResult

EPILOG = """Examples:

ran-deploy predict --engine att92.onnx photo.jpg folder/ --top 3

ran-deploy predict --engine att92.onnx folder/ shard-*.tar @files.txt --out predictions.parquet
"""


def predict_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="Images; folders that are searched for images; .tar or .parquet shards of images; "
            "@FILE: a list with one of these on each line.",
        ),
    ],
    engine: Engine,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a row for each image to this .parquet or .jsonl file instead of the screen. An image that "
            "cannot be read gets a row with an error; the exit code is 0 then too, and 5 if none can be read. A run "
            "that is stopped goes on where it was when the same command is given again."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="How many classes to show for each image.")] = 5,
    logits: Annotated[bool, typer.Option("--logits", help="With --out: keep the logits too.")] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="With --out: an image that cannot be read ends the run, with exit code 5."),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="With --out: throw an unfinished run away instead of going on with it.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --out: compute in a pool of Ray actors; the result is the same. 'local' starts a Ray on this "
            "machine; else the address of a running one.",
        ),
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option(help="With --ray: number of actors; else as many as there is room for.")
    ] = None,
    batch: BatchSize = 64,
    threads: Threads = None,
    trust: Trust = False,
    fallback: Fallback = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
    as_json: JsonFlag = False,
) -> None:
    """Classify images: a few to the screen, any number to a file."""
    from ran_deploy.offline.predict import predict
    from ran_deploy.offline.to_file import predict_to_file

    common: dict[str, Any] = {
        "top": top,
        "batch": batch,
        "threads": threads,
        "trust": trust,
        "fallback": fallback,
        "runtime": runtime,
        "cuda_backend": cuda_backend,
    }
    if out is not None:
        written = predict_to_file(
            engine,
            files,
            out,
            logits=logits,
            strict=strict,
            restart=restart,
            ray=ray,
            ray_workers=ray_workers,
            **common,
        )
        _report(written, as_json=as_json)
        return
    only_there = {
        "--logits": logits,
        "--strict": strict,
        "--restart": restart,
        "--ray": ray is not None,
        "--ray-workers": ray_workers is not None,
    }
    for name, given in only_there.items():
        if given:
            raise UsageError(f"{name} is for predictions in a file.", fix="Name the file with --out.")
    result = predict(engine, files, **common)
    rows = [
        (_name(image.file, image.member) if place == 0 else "", guess.label, f"{100 * guess.probability:.2f}%")
        for image in result.predictions
        for place, guess in enumerate(image.top)
    ]
    emit(result, "predict/v1", as_json=as_json, lines=table(("file", "class", "probability"), rows))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rate(images_per_s: float) -> str:
    return f"{images_per_s:,.0f}" if images_per_s >= 10 else f"{images_per_s:.2g}"


def _name(file: Path, member: str | None) -> str:
    return str(file) if member is None else f"{file}: {member}"


def _report(result: "PredictToFileResult", *, as_json: bool) -> None:
    record = result.record
    if result.reused:
        note(f"{result.path} has the predictions for the same engine, inputs and options already; it is unchanged")
    else:
        new = record.images - result.resumed
        note(f"{_count(new, 'image')} in {result.elapsed_s:.1f} s, {_rate(result.images_per_s)} images/s")
    if record.errors:
        note(f"{_count(record.errors, 'image')} could not be read; the column error says why")
    errors = f", {record.errors} without a prediction" if record.errors else ""
    line = f"{result.path}  {_count(record.images, 'row')}{errors}, {size_text(record.size_bytes)}"
    emit(result, "predict-to-file/v1", as_json=as_json, lines=[line])
