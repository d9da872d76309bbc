"""ONNX Runtime's providers: asked for by name, and never silently replaced by another."""

import contextlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ran_deploy.errors import MissingError

Provider = Literal["cpu", "cuda", "tensorrt"]
"""What computes: ONNX Runtime's own CPU kernels, its CUDA kernels, or TensorRT within ONNX Runtime."""

_CHAINS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""The provider, then those that take the nodes which it leaves over."""
_NEEDS = {
    "cuda": "the CUDA and cuDNN libraries that onnxruntime-gpu was built for",
    "tensorrt": "the TensorRT 10, CUDA and cuDNN libraries that onnxruntime-gpu was built for",
}


def provider_chain(ort: ModuleType, provider: Provider) -> list[str]:
    """Return what to give ONNX Runtime for a provider.

    Raises:
        MissingError: The installed ONNX Runtime was built without it.
    """
    chain = list(_CHAINS[provider])
    available = ort.get_available_providers()
    if chain[0] not in available:
        raise MissingError(
            f"The installed ONNX Runtime {ort.__version__} has no {chain[0]}; it has {', '.join(available)}.",
            fix="On a machine with an NVIDIA GPU: pip uninstall onnxruntime, then pip install 'ran-deploy[gpu]'",
        )
    if provider != "cpu" and hasattr(ort, "preload_dlls"):
        # Finds CUDA's libraries in site-packages, where the dynamic linker does not look. What it prints is no data.
        with contextlib.redirect_stdout(sys.stderr):
            ort.preload_dlls()
    return chain


def check_provider(path: Path, session: Any, provider: Provider) -> str:
    """Return the provider that a session really uses.

    ONNX Runtime replaces a provider whose libraries do not load by the next one, and only logs it.

    Raises:
        MissingError: It is not the one that was asked for.
    """
    wanted = _CHAINS[provider][0]
    (used, *_) = session.get_providers() or ("none",)
    if used != wanted:
        raise MissingError(
            f"ONNX Runtime could not load {wanted} and would run {path} with {used}.",
            fix=f"Install {_NEEDS.get(provider, 'onnxruntime again')}; ran-deploy doctor tells what is here.",
        )
    return wanted
