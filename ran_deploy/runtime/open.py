"""``open_engine``: from a file to a session that runs it, with every check that can be made before."""

import sys
from pathlib import Path
from typing import Literal, NoReturn, get_args

from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import Contract, Manifest, verified_manifest
from ran_deploy.optional import require
from ran_deploy.runtime.plan_preflight import check_plan, onnx_parent
from ran_deploy.runtime.session import Session

_KINDS = {".safetensors": "checkpoint", ".onnx": "onnx", ".plan": "plan"}
_DEVICES = ("auto", "cpu", "cuda")

Runtime = Literal["auto", "onnxruntime", "openvino", "openvino-bf16"]
"""What runs an ``.onnx`` file; "auto" is ONNX Runtime, and bfloat16 is used only by the name that says so."""
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)


def open_engine(
    path: Path | str,
    device: str = "auto",
    *,
    fallback: bool = False,
    trust: bool = False,
    threads: int | None = None,
    runtime: Runtime = "auto",
) -> Session:
    """Open an engine: ``.safetensors`` in PyTorch, ``.onnx`` in ONNX Runtime or OpenVINO, ``.plan`` in TensorRT.

    The manifest beside the file is checked first: hash, kind, and for a plan versions, GPU and targets.

    Args:
        path: The engine's file.
        device: "auto" (a plan on the GPU, all else on the CPU), "cpu" or "cuda".
        fallback: Run the ``.onnx`` file beside a plan that cannot run here, and say so on stderr.
        trust: Open a file without a manifest, whose contract is then read from the file itself.
        threads: CPU threads; None: as the runtime thinks best.
        runtime: What runs an ``.onnx`` file: "auto" (ONNX Runtime), "onnxruntime", "openvino" or "openvino-bf16".

    Raises:
        UsageError: The file is missing, of another kind or not for ``runtime``, or has no manifest and ``trust`` is
            False.
        IncompatibleError: The engine was built for another library, version or GPU.
        IntegrityError: The file is not the one that its manifest describes, or is damaged.
        MissingError: A package or a GPU is missing.
    """
    path = Path(path)
    kind = _check_kind(path, device)
    _check_runtime(path, kind, runtime, fallback)
    manifest = verified_manifest(path)
    if manifest is None and not trust:
        raise UsageError(
            f"{path} has no manifest beside it, so its labels and preprocessing are unknown.",
            fix="Export it with ran-deploy export, or add --trust to read what the file itself says.",
        )
    if manifest is not None and manifest.kind != kind:
        raise IntegrityError(
            f"{path} is named like {_article(kind)}, but its manifest describes {_article(manifest.kind)}.",
            fix="Give the file its right name, or make it again.",
        )
    if kind == "plan":
        return _open_plan(path, manifest, fallback=fallback, threads=threads, runtime=runtime)
    return _open_on_cpu(path, kind, manifest, threads, runtime)


def _check_kind(path: Path, device: str) -> str:
    if device not in _DEVICES:
        raise UsageError(f"The device is {device!r}; expected one of {', '.join(_DEVICES)}.")
    kind = _KINDS.get(path.suffix)
    if kind is None:
        raise UsageError(
            f"{path} ends in {path.suffix!r}; an engine ends in .safetensors, .onnx or .plan.",
            fix="Give the file that train, export or build wrote.",
        )
    require_file(path, what="engine")
    if device == "cpu" and kind == "plan":
        raise UsageError(f"{path} is a TensorRT plan, which runs on a GPU only.", fix="Use the .onnx file for the CPU.")
    if device == "cuda" and kind != "plan":
        raise UsageError(f"{path} runs on the CPU only.", fix="Build a plan for the GPU with: ran-deploy build")
    return kind


def _check_runtime(path: Path, kind: str, runtime: str, fallback: bool) -> None:
    if runtime not in RUNTIMES:
        raise UsageError(f"The runtime is {runtime!r}; expected one of {', '.join(RUNTIMES)}.")
    if runtime != "auto" and kind != "onnx" and not (kind == "plan" and fallback):
        raise UsageError(f"{path} does not run in {runtime}, which takes .onnx files.", fix="Leave the runtime out.")


def _open_on_cpu(path: Path, kind: str, manifest: Manifest | None, threads: int | None, runtime: Runtime) -> Session:
    if kind == "checkpoint":
        require("torch", f"Running {path.name}")
        from ran_deploy.runtime.torch_session import TorchSession

        return TorchSession(path, manifest=manifest, threads=threads)
    contract = manifest.contract if manifest is not None else _inferred_contract(path)
    if runtime in ("openvino", "openvino-bf16"):
        from ran_deploy.runtime.openvino_session import OpenVinoSession

        precision: Literal["f32", "bf16"] = "f32" if runtime == "openvino" else "bf16"
        return OpenVinoSession(path, contract, manifest=manifest, threads=threads, precision=precision)
    require("onnxruntime", f"Running {path.name}")
    from ran_deploy.runtime.ort_session import OrtSession

    return OrtSession(path, contract, manifest=manifest, threads=threads)


def _inferred_contract(path: Path) -> Contract:
    from ran_deploy.runtime.onnx_file import infer_contract, load_onnx

    contract = infer_contract(load_onnx(path))
    if contract.input.dtype != "uint8":
        sys.stderr.write(
            f"warning: {path} has no manifest, so its normalization is unknown; pixels are fed on the scale 0 to 1.\n"
        )
    return contract


def _open_plan(
    path: Path, manifest: Manifest | None, *, fallback: bool, threads: int | None, runtime: Runtime
) -> Session:
    if manifest is None:
        raise UsageError(
            f"{path} has no manifest beside it; a plan is code for one library and GPU, and only its manifest "
            "says which.",
            fix="Build it again with: ran-deploy build",
        )
    try:
        _refuse_plan(path, manifest)
    except (MissingError, IncompatibleError) as error:
        if not fallback:
            raise
        parent = onnx_parent(path, manifest)
        if parent is None:
            raise
        sys.stderr.write(f"warning: {error.message} Falling back to {parent} on the CPU, as asked.\n")
        return open_engine(parent, threads=threads, runtime=runtime)


def _refuse_plan(path: Path, manifest: Manifest) -> NoReturn:
    gpu = check_plan(path, manifest)
    raise MissingError(
        f"{path} fits {gpu.name}, but this version of ran-deploy does not run plans yet.",
        fix="Run it with trtexec, or use the .onnx file that it was built from.",
    )


def _article(kind: str) -> str:
    return {"checkpoint": "a checkpoint", "onnx": "an ONNX model", "plan": "a TensorRT plan"}[kind]
