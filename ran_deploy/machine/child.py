"""What one library says of itself, found out in a process of its own: a library that crashes takes only that along.

Run by :mod:`ran_deploy.machine.probe`; prints one line that begins with :data:`MARK`.
"""

import contextlib
import ctypes
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable
from typing import Any

MARK = "RAN-DEPLOY-PROBE "
Facts = dict[str, Any]
_NUMERIC = ("FP32", "FP16", "BF16", "INT8")


class AbsentError(Exception):
    """What was looked for is not on this machine, which is no fault."""


def main(name: str) -> None:
    """Probe one library and print what was found, or why it cannot be loaded."""
    answer: Facts
    try:
        answer = {"facts": PROBES[name]()}
    except AbsentError as error:
        answer = {"absent": str(error)}
    except BaseException as error:  # a broken installation raises anything, SystemExit included
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        answer = {"error": f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:300]}
    # After libraries have written whatever they like, perhaps without a newline at the end.
    sys.stdout.write("\n" + MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()


def _onnxruntime() -> Facts:
    import onnxruntime as ort  # type: ignore[import-untyped]

    return {"version": ort.__version__, "providers": list(ort.get_available_providers())}


def _openvino() -> Facts:
    from ran_deploy.runtime.openvino_load import load_openvino

    openvino = load_openvino("ran-deploy doctor")
    core = openvino.Core()
    return {
        "version": openvino.__version__.partition("-")[0],
        "devices": list(core.available_devices),
        "computes_in": [name for name in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") if name in _NUMERIC],
    }


def _torch() -> Facts:
    import torch

    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0,
    }


def _tensorrt(module: str) -> Facts:
    library = importlib.import_module(module)
    if not hasattr(library, "Builder"):
        return {"version": str(library.__version__), "builder": "none, runtime only"}
    library.Builder(library.Logger(library.Logger.ERROR))  # loads the large libraries, which an import need not do
    return {"version": str(library.__version__), "builder": "works"}


def _plain(module: str, distribution: str) -> Facts:
    library = importlib.import_module(module)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return {"version": importlib.metadata.version(distribution)}
    return {"version": str(getattr(library, "__version__", "unknown"))}


def _pycuda() -> Facts:
    import pycuda  # type: ignore[import-not-found]
    import pycuda.driver  # type: ignore[import-not-found]

    return {"version": ".".join(map(str, pycuda.VERSION)), "cuda": ".".join(map(str, pycuda.driver.get_version()))}


def _driver() -> Facts:
    from ran_deploy.errors import MissingError
    from ran_deploy.runtime.gpu import require_gpu

    try:
        gpu = require_gpu("ran-deploy doctor")
    except MissingError as error:
        raise AbsentError(str(error.__cause__)) from error
    version = ctypes.c_int()
    library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    library.cuDriverGetVersion(ctypes.byref(version))
    return {
        "version": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "name": gpu.name,
        "capability": gpu.capability,
    }


PROBES: dict[str, Callable[[], Facts]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "torch": _torch,
    "onnxscript": lambda: _plain("onnxscript", "onnxscript"),
    "matplotlib": lambda: _plain("matplotlib.pyplot", "matplotlib"),
    "tensorrt": lambda: _tensorrt("tensorrt"),
    "tensorrt_rtx": lambda: _tensorrt("tensorrt_rtx"),
    "cuda.bindings": lambda: _plain("cuda.bindings.driver", "cuda-bindings"),
    "cuda.core": lambda: _plain("cuda.core", "cuda-core"),
    "pycuda": _pycuda,
    "starlette": lambda: _plain("starlette", "starlette"),
    "uvicorn": lambda: _plain("uvicorn", "uvicorn"),
    "grpc": lambda: _plain("grpc", "grpcio"),
    "tritonclient": lambda: _plain("tritonclient", "tritonclient"),
    "prometheus_client": lambda: _plain("prometheus_client", "prometheus-client"),
    "pyarrow": lambda: _plain("pyarrow", "pyarrow"),
    "ray": lambda: _plain("ray", "ray"),
    "tensorboard": lambda: _plain("tensorboard", "tensorboard"),
    "modelopt": lambda: _plain("modelopt.onnx.quantization", "nvidia-modelopt"),
    "driver": _driver,
}
