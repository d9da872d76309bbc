"""The options that every command which runs an engine has."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Engine = Annotated[
    Path, typer.Option("--engine", "--loadEngine", help="The engine: a .safetensors, .onnx, .plan or .ran file.")
]
BatchSize = Annotated[int, typer.Option(help="How many images to run at once.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; else the runtime's choice.")]
Trust = Annotated[bool, typer.Option("--trust", help="Open a file without a manifest; read its contract from itself.")]
Fallback = Annotated[
    bool,
    typer.Option(
        "--fallback",
        help="For a plan that cannot run here, run the .onnx file that it was built from: on the GPU if ONNX Runtime "
        "can, else on the CPU. Says what it chose and why.",
    ),
]
Runtime = Annotated[
    Literal[
        "auto",
        "onnxruntime",
        "onnxruntime-cuda",
        "onnxruntime-tensorrt",
        "openvino",
        "openvino-bf16",
        "torch-compile",
    ],
    typer.Option(
        "--runtime",
        help="What runs it. auto: onnxruntime for an .onnx file, eager PyTorch for a checkpoint. openvino computes in "
        "float32 or INT8; torch-compile is for checkpoints. A plan is run by the TensorRT that built it.",
    ),
]
CudaBackend = Annotated[
    Literal["cuda-python", "pycuda"],
    typer.Option(
        "--cuda-backend",
        help="What drives the GPU for a plan: NVIDIA's cuda-core and cuda-bindings, or PyCUDA.",
    ),
]
