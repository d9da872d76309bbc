"""``open_engine``: from a file to a session that runs it, with every check that can be made before."""

from functools import partial
from pathlib import Path
from typing import Literal

from ran_deploy.cuda.open import CudaBackend
from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, RanDeployError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import Manifest, manifest_path, verified_manifest
from ran_deploy.optional import require
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX, extracted
from ran_deploy.runtime.base import EngineSession
from ran_deploy.runtime.open_onnx import ONNX_RUNTIMES, OnnxRuntime, check_device, open_onnx
from ran_deploy.runtime.open_plan import open_instead, open_plan
from ran_deploy.runtime.session import Session

_KINDS = {".safetensors": "checkpoint", ".onnx": "onnx", ".plan": "plan"}
_DEVICES = ("auto", "cpu", "cuda")

Runtime = Literal[OnnxRuntime, "torch-compile"]
"""What runs an engine: "auto" is eager PyTorch for a checkpoint and ONNX Runtime for an ``.onnx`` file; a plan is run
by the library that built it."""
RUNTIMES: tuple[Runtime, ...] = (*ONNX_RUNTIMES, "torch-compile")


def open_engine(
    path: Path | str,
    device: str = "auto",
    *,
    fallback: bool = False,
    trust: bool = False,
    threads: int | None = None,
    runtime: Runtime = "auto",
    cuda_backend: CudaBackend = "cuda-python",
) -> Session:
    """Open an engine: ``.safetensors`` in PyTorch, ``.onnx`` in ONNX Runtime or OpenVINO, ``.plan`` in TensorRT.

    The manifest beside the file is checked first: hash, kind, and for a plan versions, GPU and targets. A ``.ran``
    archive holds an engine with its manifest, and opens like them.

    Args:
        path: The engine's file, or an archive.
        device: "auto" (a plan on the GPU, all else on the CPU), "cpu" or "cuda".
        fallback: For a plan that cannot run here, run the ``.onnx`` file beside it that it was built from: on the GPU
            where ONNX Runtime can, else on the CPU; what runs and why is said on stderr.
        trust: Open a file without a manifest, whose contract is then read from the file itself.
        threads: CPU threads; None: as the runtime thinks best.
        runtime: What runs it: "auto"; for an ``.onnx`` file "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt",
            "openvino" or "openvino-bf16"; for a checkpoint "torch-compile".
        cuda_backend: What drives the GPU for a plan: "cuda-python" (cuda-core and cuda-bindings) or "pycuda".

    Raises:
        UsageError: The file is missing, of another kind or not for ``runtime`` or ``device``, or has no manifest and
            ``trust`` is False.
        IncompatibleError: The engine was built for another library, version or GPU.
        IntegrityError: The file is not the one that its manifest describes, or is damaged.
        MissingError: A package or a GPU is missing.
    """
    path = Path(path)
    open_file = partial(
        _open_file,
        device=device,
        fallback=fallback,
        trust=trust,
        threads=threads,
        runtime=runtime,
        cuda_backend=cuda_backend,
    )
    if path.suffix != ARCHIVE_SUFFIX:
        return open_file(path)
    with extracted(path) as engine:
        try:
            session = open_file(engine)
        except RanDeployError as error:  # it speaks of a file that is gone when it is read
            error.message = error.message.replace(str(engine), str(path))
            error.args = (error.message,)
            error.fix = error.fix.replace(f"{engine.parent}/", "")
            raise
    if isinstance(session, EngineSession):
        session.opened_as(path)
    return session


def _open_file(
    path: Path,
    *,
    device: str,
    fallback: bool,
    trust: bool,
    threads: int | None,
    runtime: Runtime,
    cuda_backend: CudaBackend,
) -> Session:
    kind = _check_kind(path, device)
    _check_runtime(path, kind, runtime, device, fallback=fallback)
    manifest = verified_manifest(path)
    if manifest is None and not trust:
        raise UsageError(
            f"{path} has no manifest beside it, so its labels and preprocessing are unknown.",
            fix=f"Put {manifest_path(path).name}, which was written with it, back beside it, or add --trust to read "
            "what the file itself says.",
        )
    if manifest is not None and manifest.kind != kind:
        raise IntegrityError(
            f"{path} is named like {_article(kind)}, but its manifest describes {_article(manifest.kind)}.",
            fix="Give the file its right name, or make it again.",
        )
    if kind == "checkpoint":
        return _open_checkpoint(path, manifest, threads, compiled=runtime == "torch-compile")
    onnx_runtime: OnnxRuntime = "auto" if runtime == "torch-compile" else runtime  # refused above for these kinds
    if kind == "onnx":
        return open_onnx(path, manifest, threads=threads, runtime=onnx_runtime, on_gpu=device == "cuda")
    try:
        return open_plan(path, manifest, cuda_backend)
    except (MissingError, IncompatibleError) as error:
        instead = None
        if fallback:
            instead = open_instead(path, manifest, error, threads=threads, runtime=onnx_runtime)
        if instead is None:
            raise
        return instead


def _check_kind(path: Path, device: str) -> str:
    if device not in _DEVICES:
        raise UsageError(f"The device is {device!r}; expected one of {', '.join(_DEVICES)}.")
    kind = _KINDS.get(path.suffix)
    if kind is None:
        require_file(path, what="engine", fix="Name the file that train, export, build or package wrote.")
        raise UsageError(
            f"{path} ends in {path.suffix!r}; an engine ends in .safetensors, .onnx, .plan or .ran.",
            fix="Give the file that train, export, build or package wrote.",
        )
    require_file(path, what="engine")
    if device == "cpu" and kind == "plan":
        raise UsageError(f"{path} is a TensorRT plan, which runs on a GPU only.", fix="Use the .onnx file for the CPU.")
    if device == "cuda" and kind == "checkpoint":
        raise UsageError(f"{path} runs on the CPU only.", fix="Export it with ran-deploy export, and build a plan.")
    return kind


def _check_runtime(path: Path, kind: str, runtime: str, device: str, *, fallback: bool) -> None:
    if runtime not in RUNTIMES:
        raise UsageError(f"The runtime is {runtime!r}; expected one of {', '.join(RUNTIMES)}.")
    runs_onnx = kind == "onnx" or (kind == "plan" and fallback)
    takes = "checkpoints" if runtime == "torch-compile" else ".onnx files"
    if runtime != "auto" and (kind != "checkpoint" if runtime == "torch-compile" else not runs_onnx):
        raise UsageError(f"{path} does not run in {runtime}, which takes {takes}.", fix="Leave the runtime out.")
    if kind == "onnx":
        check_device(runtime, device)


def _open_checkpoint(path: Path, manifest: Manifest | None, threads: int | None, *, compiled: bool) -> Session:
    require("torch", f"Running {path.name}")
    from ran_deploy.runtime.torch_session import TorchSession

    return TorchSession(path, manifest=manifest, threads=threads, compiled=compiled)


def _article(kind: str) -> str:
    return {"checkpoint": "a checkpoint", "onnx": "an ONNX model", "plan": "a TensorRT plan"}[kind]
