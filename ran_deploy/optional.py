"""Optional packages: imported where they are needed, with one clear sentence where they are missing."""

import importlib
import importlib.metadata
from types import ModuleType

from ran_deploy.errors import MissingError
from ran_deploy.interrupts import ctrl_c_deferred

_EXTRAS = {
    "torch": "train",
    "onnxscript": "train",
    "matplotlib": "train",
    "tensorboard": "tensorboard",
    "onnxruntime": "cpu",
    "openvino": "openvino",
    "tensorrt_rtx": "tensorrt-rtx",
    "tensorrt": "tensorrt",
    "cuda.core": "gpu",
    "cuda.bindings.driver": "gpu",
    "pycuda.driver": "pycuda",
    "starlette": "serve",
    "uvicorn": "serve",
    "grpc": "serve",
    "tritonclient.grpc": "serve",
    "prometheus_client": "serve",
    "pyarrow": "parquet",
    "pyarrow.parquet": "parquet",
    "ray": "ray",
    "ray.data": "ray",
    "modelopt.onnx.quantization": "modelopt",
}


def require(module: str, purpose: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: Its import name, such as "torch".
        purpose: What needs it, such as "ran-deploy train"; begins the message.

    Raises:
        MissingError: It is not installed, or cannot be loaded.
    """
    extra = _EXTRAS[module]
    try:
        with ctrl_c_deferred():  # a compiled module that is interrupted here calls it an ImportError
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(
            f"{purpose} needs the package {module}, which cannot be imported ({error}).",
            fix=f"Run: pip install 'ran-deploy[{extra}]'",
        ) from error


def versions(*distributions: str) -> dict[str, str]:
    """Return the installed versions of ``distributions``, by name, without importing them."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
