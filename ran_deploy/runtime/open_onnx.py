"""``.onnx`` files in the runtime asked for, on the CPU or the GPU."""

from pathlib import Path
from typing import Literal, get_args

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract, Manifest
from ran_deploy.optional import require
from ran_deploy.runtime.infer_contract import warn_of_guesses
from ran_deploy.runtime.session import Session

OnnxRuntime = Literal["auto", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "openvino", "openvino-bf16"]
"""What runs an ``.onnx`` file; "auto" is ONNX Runtime, and bfloat16 is used only by the name that says so."""
ONNX_RUNTIMES: tuple[OnnxRuntime, ...] = get_args(OnnxRuntime)
CPU_RUNTIMES: tuple[OnnxRuntime, ...] = ("onnxruntime", "openvino", "openvino-bf16")
"""Those that need no GPU, by their own names."""


def check_device(runtime: str, device: str) -> None:
    """Check that a runtime for ``.onnx`` files computes on the device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: It computes elsewhere.
    """
    if device == "cpu" and runtime in ("onnxruntime-cuda", "onnxruntime-tensorrt"):
        raise UsageError(f"The runtime {runtime} computes on the GPU, but the device is cpu.", fix="Leave one out.")
    if device == "cuda" and runtime in ("openvino", "openvino-bf16"):
        raise UsageError(f"The runtime {runtime} computes on the CPU, but the device is cuda.", fix="Leave one out.")


def open_onnx(
    path: Path, manifest: Manifest | None, *, threads: int | None, runtime: OnnxRuntime, on_gpu: bool
) -> Session:
    """Open an ``.onnx`` file whose hash has been verified.

    Args:
        path: The file.
        manifest: The manifest beside it; None: on trust, the contract is read from the file.
        threads: CPU threads; None: as the runtime thinks best.
        runtime: What runs it.
        on_gpu: Let ONNX Runtime compute on the GPU, whatever its name says.

    Raises:
        UsageError: On trust, the model is not a classifier that ran-deploy can feed.
        IncompatibleError: The runtime lacks operators of the model.
        IntegrityError: The file is damaged, or is not what its manifest says.
        MissingError: A package, a provider or a GPU is missing.
    """
    contract = manifest.contract if manifest is not None else _inferred_contract(path)
    if runtime in ("openvino", "openvino-bf16"):
        from ran_deploy.runtime.openvino_session import OpenVinoSession

        precision: Literal["f32", "bf16"] = "f32" if runtime == "openvino" else "bf16"
        return OpenVinoSession(path, contract, manifest=manifest, threads=threads, precision=precision)
    require("onnxruntime", f"Running {path.name}")
    from ran_deploy.runtime.ort_session import OrtSession

    if runtime == "onnxruntime-tensorrt":
        return OrtSession(path, contract, manifest=manifest, threads=threads, provider="tensorrt")
    on_gpu = on_gpu or runtime == "onnxruntime-cuda"
    return OrtSession(path, contract, manifest=manifest, threads=threads, provider="cuda" if on_gpu else "cpu")


def _inferred_contract(path: Path) -> Contract:
    from ran_deploy.runtime.onnx_file import load_onnx, onnx_contract

    contract = onnx_contract(load_onnx(path))
    warn_of_guesses(path, contract)
    return contract
