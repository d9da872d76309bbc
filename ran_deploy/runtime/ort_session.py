"""ONNX engines on the CPU or the GPU, through ONNX Runtime."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from ran_deploy.cuda.open import open_device
from ran_deploy.errors import IncompatibleError, IntegrityError
from ran_deploy.files import require_file
from ran_deploy.manifest import DYNAMIC, Contract, Manifest
from ran_deploy.runtime.base import EngineSession, engine_sha256, precision_text
from ran_deploy.runtime.dlpack import DeviceTensor, SupportsDlpack, is_on_gpu
from ran_deploy.runtime.io_check import Port, check_ports
from ran_deploy.runtime.ort_gpu_input import OrtGpuInput
from ran_deploy.runtime.ort_providers import Provider, check_provider, provider_chain
from ran_deploy.runtime.session import Logits, SessionInfo, check_batch
from ran_deploy.runtime.threads import check_threads, usable_cpus

_FATAL = 4
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}


class OrtSession(EngineSession):
    """An ``.onnx`` file in one of ONNX Runtime's providers. Threads may share it.

    With the providers "cuda" and "tensorrt", :meth:`run` takes tensors on the GPU through DLPack without a copy, too.

    Args:
        path: The ``.onnx`` file.
        contract: What its input and output must be.
        manifest: The manifest beside it, already verified; None on trust.
        threads: Threads within one operation; None: as many as the CPUs that this process may use.
        provider: What computes: "cpu", "cuda", or "tensorrt", which is TensorRT within ONNX Runtime.
        profile: Time each kernel, and write the times to a file whose name begins so; see :meth:`end_profiling`.

    Raises:
        UsageError: The file is missing, or ``threads`` is less than 1.
        IntegrityError: The file is not an ONNX model, or its input and output are not those of the contract.
        IncompatibleError: The model needs operators or a format that the installed ONNX Runtime does not have.
        MissingError: The provider is not in the installed ONNX Runtime, or its libraries do not load.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        *,
        manifest: Manifest | None = None,
        threads: int | None = None,
        provider: Provider = "cpu",
        profile: Path | None = None,
    ) -> None:
        check_threads(threads)
        require_file(path, what="engine")
        count = threads or usable_cpus()
        started_s = time.perf_counter()
        session = _load(path, count, provider_chain(ort, provider), profile)
        load_s = time.perf_counter() - started_s
        used = check_provider(path, session, provider)
        check_ports("input", path, [contract.input], [_port(node) for node in session.get_inputs()])
        outputs = [contract.output, *contract.masks]
        check_ports("output", path, outputs, [_port(node) for node in session.get_outputs()])
        super().__init__(
            contract,
            manifest,
            SessionInfo(
                engine=str(path),
                sha256=engine_sha256(path, manifest),
                runtime="onnxruntime",
                provider=used,
                device="cpu" if provider == "cpu" else "cuda:0",
                precision=precision_text(manifest),
                threads=count,
                load_s=load_s,
                versions={"onnxruntime": ort.__version__},
            ),
        )
        self._session: Any = session
        self._gpu_input: OrtGpuInput | None = None  # made when the first tensor on the GPU comes
        self._gpu_input_lock = threading.Lock()

    def run(self, images: npt.NDArray[Any] | SupportsDlpack) -> Logits:
        """Return the logits, float32 [N, classes], of a batch in the host's or, with a GPU provider, the GPU's memory.

        Raises:
            UsageError: The batch has another type or shape than the contract says, or the session is closed.
            IntegrityError: ONNX Runtime fails, as it does for a damaged graph that was opened with ``trust``.
            MissingError: The batch is on the GPU, and cuda-python is not installed.
            RanDeployError: CUDA fails.
        """
        if self.info.device == "cpu" or not is_on_gpu(images):
            return super().run(images)
        self._check_open()
        with self._gpu_input_lock:
            if self._gpu_input is None:
                self._gpu_input = OrtGpuInput(self._session, self.contract, open_device())
        return np.asarray(self._gpu_input.run(images, self._check), dtype=np.float32)

    def end_profiling(self) -> Path:
        """Write the times of a session that was opened with ``profile``; return the file, in the trace event format."""
        return Path(self._session.end_profiling())

    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        contract = self.contract
        (logits,) = self._outputs([contract.output.name], images)
        return logits

    def _compute_with_masks(self, images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        contract = self.contract
        return self._outputs([spec.name for spec in (contract.output, *contract.masks)], images)

    def _outputs(self, names: list[str], images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        try:
            return self._session.run(names, {self.contract.input.name: images})  # type: ignore[no-any-return]
        except Exception as error:  # a graph can load and still not fit together
            reason = " ".join(str(error).split())[:300]
            raise IntegrityError(
                f"{self.info.engine} does not run to its end in ONNX Runtime {ort.__version__}: {reason}",
                fix="Restore the file or export it again; if memory ran out, use smaller batches.",
            ) from error

    def _check(self, tensor: DeviceTensor) -> None:
        check_batch(tensor, self.contract.input)

    def _free(self) -> None:
        self._session = None
        if self._gpu_input is not None:
            self._gpu_input.close()
            self._gpu_input = None


def _load(path: Path, threads: int, providers: list[str], profile: Path | None) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    options.log_severity_level = _FATAL  # what goes wrong is raised; the log would only repeat it
    try:
        # With the fallback on, a provider that fails is replaced, which is printed to stdout.
        return ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        reason = " ".join(str(error).split())[:300]
        if type(error).__name__ == "NotImplemented" or "opset" in reason or "IR version" in reason:
            raise IncompatibleError(
                f"{path} does not run in ONNX Runtime {ort.__version__}: {reason}",
                fix="Install a newer onnxruntime, or export the model again.",
            ) from error
        raise IntegrityError(
            f"{path} is not a whole ONNX model: {reason}", fix="Restore the file, or export it again."
        ) from error


def _port(node: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else DYNAMIC for side in node.shape)
    return Port(name=node.name, dtype=_DTYPES.get(node.type, node.type), shape=shape)
