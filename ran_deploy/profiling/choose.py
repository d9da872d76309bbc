"""What profiles an engine, and which ONNX graph its kernels come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from ran_deploy.bench.inputs import Buffers
from ran_deploy.manifest import Manifest
from ran_deploy.profiling.graph import Graph, read_graph
from ran_deploy.profiling.sample import Profiler
from ran_deploy.runtime.open_plan import open_plan
from ran_deploy.runtime.plan_preflight import onnx_parent
from ran_deploy.runtime.session import Session

if TYPE_CHECKING:
    from ran_deploy.profiling.torch_profiler import TorchProfiler

ProfiledRuntime = Literal["auto", "onnxruntime", "openvino", "openvino-bf16"]
"""What runs an ``.onnx`` file; "auto" is ONNX Runtime. All compute on the CPU: on a GPU, plans are profiled."""


def choose_profiler(path: Path, session: Session, runtime: ProfiledRuntime) -> Profiler:
    """Return what times the kernels of an engine in the runtime in which it was opened.

    Args:
        path: The engine, checked by ``open_engine``.
        session: It, opened.
        runtime: As it was asked for.
    """
    info, contract = session.info, session.contract
    if path.suffix == ".plan":
        from ran_deploy.profiling.tensorrt_profiler import TensorRtProfiler

        return TensorRtProfiler(lambda: open_plan(path, session.manifest, "cuda-python", graphs=False))
    if runtime in ("openvino", "openvino-bf16"):
        from ran_deploy.profiling.openvino_profiler import OpenVinoProfiler

        precision: Literal["f32", "bf16"] = "f32" if runtime == "openvino" else "bf16"
        return OpenVinoProfiler(path, contract, threads=info.threads, precision=precision)
    if path.suffix == ".safetensors":
        from ran_deploy.profiling.torch_profiler import TorchProfiler

        return TorchProfiler(path, session.manifest, threads=info.threads)
    from ran_deploy.profiling.ort_profiler import OrtProfiler

    return OrtProfiler(path, contract, threads=info.threads)


def find_graph(path: Path, manifest: Manifest | None, profiler: Profiler, buffers: Buffers) -> Graph | None:
    """Return what an engine computes: its ONNX graph, for a checkpoint the operators that it calls.

    For a plan it is the graph of the file that it was built from, if that lies beside it unchanged.

    Args:
        path: The engine.
        manifest: Its manifest.
        profiler: What times it.
        buffers: The batches that it will be fed.

    Raises:
        IntegrityError: The ONNX file is damaged.
    """
    if path.suffix == ".safetensors":
        return cast("TorchProfiler", profiler).graph(buffers)
    from onnx.shape_inference import InferenceError

    from ran_deploy.runtime.onnx_file import load_onnx

    source: Path | None = path
    if path.suffix == ".plan":
        source = None if manifest is None else onnx_parent(path, manifest)
    if source is None:
        return None
    try:
        return read_graph(load_onnx(source), len(buffers[0]))
    except (InferenceError, ValueError):  # ValueError: above protobuf's 2 GiB
        return None
