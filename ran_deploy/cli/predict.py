"""``ran-deploy predict``: image files to labels."""

from pathlib import Path
from typing import Annotated

import typer

from ran_deploy.cli.engine_options import BatchSize, CudaBackend, Engine, Fallback, Runtime, Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, table

EPILOG = "Example: ran-deploy predict --engine att92.onnx photo.jpg folder/ --top 3"


def predict_command(
    files: Annotated[list[Path], typer.Argument(help="Images, or folders that are searched for images.")],
    engine: Engine,
    top: Annotated[int, typer.Option(help="How many classes to show for each image.")] = 5,
    batch: BatchSize = 64,
    threads: Threads = None,
    trust: Trust = False,
    fallback: Fallback = False,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
    as_json: JsonFlag = False,
) -> None:
    """Classify image files."""
    from ran_deploy.runtime.predict import predict

    result = predict(
        engine,
        files,
        top=top,
        batch=batch,
        threads=threads,
        trust=trust,
        fallback=fallback,
        runtime=runtime,
        cuda_backend=cuda_backend,
    )
    rows = [
        (str(image.file) if place == 0 else "", guess.label, f"{100 * guess.probability:.2f}%")
        for image in result.predictions
        for place, guess in enumerate(image.top)
    ]
    emit(result, "predict/v1", as_json=as_json, lines=table(("file", "class", "probability"), rows))
