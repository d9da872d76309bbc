"""The options that every command which runs an engine has."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Engine = Annotated[
    Path, typer.Option("--engine", "--loadEngine", help="The engine: a .safetensors, .onnx or .plan file.")
]
BatchSize = Annotated[int, typer.Option(help="How many images to run at once.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; else the runtime's choice.")]
Trust = Annotated[bool, typer.Option("--trust", help="Open a file without a manifest; read its contract from itself.")]
Fallback = Annotated[
    bool, typer.Option("--fallback", help="Run the .onnx file beside a plan that cannot run here, with a warning.")
]
Runtime = Annotated[
    Literal["auto", "onnxruntime", "openvino", "openvino-bf16"],
    typer.Option("--runtime", help="What runs an .onnx file; auto: onnxruntime. OpenVINO computes in float32 or INT8."),
]
