"""``ran-deploy explain``: what the attention modules of a network look at."""

from pathlib import Path
from typing import Annotated

import typer

from ran_deploy.cli.engine_options import Engine, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, table

EPILOG = "Example: ran-deploy explain --engine att92.safetensors photo.jpg other.png --out attention.png"


def explain_command(
    files: Annotated[list[Path], typer.Argument(help="Images, or folders that are searched for images.")],
    engine: Engine,
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .svg or .pdf.")] = Path("explain.png"),
    top: Annotated[int, typer.Option(help="How many classes --json tells of each image.")] = 5,
    threads: Threads = None,
    trust: Trust = False,
    runtime: Runtime = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Draw the attention masks over images: from a checkpoint, or an .onnx exported with --with-masks."""
    from ran_deploy.explaining.explain import explain

    result = explain(engine, files, out=out, top=top, threads=threads, trust=trust, runtime=runtime)
    names = [mask.name.removeprefix("mask_") for mask in result.images[0].masks]
    rows = [
        (
            str(image.file),
            image.top[0].label,
            f"{100 * image.top[0].probability:.2f}%",
            *(f"{mask.least:.2f}–{mask.most:.2f}" for mask in image.masks),
        )
        for image in result.images
    ]
    lines = [f"{result.path}  the masks' ranges:", *table(("file", "class", "probability", *names), rows)]
    emit(result, "explain/v1", as_json=as_json, lines=lines)
