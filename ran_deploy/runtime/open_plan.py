"""TensorRT plans after their preflight, and what runs in their place where that was asked for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ran_deploy.cuda.open import CudaBackend, open_device
from ran_deploy.errors import IncompatibleError, MissingError, RanDeployError
from ran_deploy.manifest import Manifest, verified_manifest
from ran_deploy.runtime.open_onnx import OnnxRuntime, open_onnx
from ran_deploy.runtime.plan_preflight import check_plan, onnx_parent
from ran_deploy.runtime.session import Session

if TYPE_CHECKING:
    from ran_deploy.runtime.trt_session import TrtSession


def open_plan(path: Path, manifest: Manifest | None, cuda_backend: CudaBackend, *, graphs: bool = True) -> "TrtSession":
    """Open a plan; nothing of it is deserialized before library, version, GPU and targets have been checked.

    Args:
        path: The plan, whose hash has been verified if there is a manifest.
        manifest: The manifest beside it; None: on trust, with the plan's header as a hint.
        cuda_backend: What drives the GPU.
        graphs: Replay CUDA graphs where they can be captured.

    Raises:
        IncompatibleError: It was built by another version, or for another GPU.
        IntegrityError: It is no plan, or not the one that its manifest describes.
        MissingError: A package or a GPU is missing.
    """
    approval = check_plan(path, manifest)
    device = open_device(cuda_backend)
    from ran_deploy.runtime.trt_session import TrtSession

    return TrtSession(path, approval, device, manifest=manifest, graphs=graphs)


def open_instead(
    plan: Path, manifest: Manifest | None, refused: RanDeployError, *, threads: int | None, runtime: OnnxRuntime
) -> Session | None:
    """Open the ``.onnx`` file that a plan was built from, and say on stderr what runs now and why.

    Args:
        plan: The plan, which does not run here.
        manifest: Its manifest, which names the ``.onnx`` file.
        refused: Why it does not run.
        threads: CPU threads.
        runtime: What runs the file; "auto": ONNX Runtime on the GPU, or else on the CPU.

    Returns:
        The session; None if the file does not lie beside the plan as it was, or has no manifest.

    Raises:
        MissingError: The runtime is not installed.
    """
    parent = None if manifest is None else onnx_parent(plan, manifest)
    known = None if parent is None else verified_manifest(parent)
    if parent is None or known is None:
        return None
    reasons = [refused.message]
    session: Session | None = None
    if runtime == "auto":
        try:
            session = open_onnx(parent, known, threads=threads, runtime=runtime, on_gpu=True)
        except (MissingError, IncompatibleError) as error:
            reasons.append(error.message)
    if session is None:
        session = open_onnx(parent, known, threads=threads, runtime=runtime, on_gpu=False)
    info = session.info
    reasons.append(f"Falling back from {plan} to {parent} in {info.runtime}, {info.provider}, as asked.")
    sys.stderr.write("".join(f"warning: {reason}\n" for reason in reasons))
    return session
