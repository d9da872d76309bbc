"""TensorRT plans as engines, built by ``tensorrt`` or ``tensorrt_rtx``: one session for both."""

import contextlib
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_bytes
from ran_deploy.manifest import Contract, Manifest
from ran_deploy.runtime.base import EngineSession, precision_text
from ran_deploy.runtime.dlpack import DeviceTensor, SupportsDlpack, is_on_gpu
from ran_deploy.runtime.infer_contract import infer_contract, warn_of_guesses
from ran_deploy.runtime.io_check import check_ports
from ran_deploy.runtime.plan_preflight import Approval
from ran_deploy.runtime.session import Logits, SessionInfo, check_batch
from ran_deploy.runtime.trt_engine import load_engine
from ran_deploy.runtime.trt_runner import TrtRunner


class TrtSession(EngineSession):
    """A ``.plan`` file on the GPU. Threads may share it; their runs follow one another.

    :meth:`run` takes NumPy arrays, and tensors on the GPU through DLPack without a copy.

    Args:
        path: The ``.plan`` file.
        approval: What the preflight found: the library and the GPU that fit.
        device: The GPU; the session closes it.
        manifest: The manifest beside the plan, already verified; None on trust, the contract is then the engine's own.
        graphs: Replay CUDA graphs where they can be captured.

    Raises:
        IntegrityError: The file is no longer the one that was verified, is malformed, or its input and output are not
            those of the contract.
        IncompatibleError: The library refuses the plan.
        MissingError: The GPU has too little memory.
        UsageError: On trust, the engine is not a classifier that ran-deploy can feed.
    """

    def __init__(
        self,
        path: Path,
        approval: Approval,
        device: CudaDevice,
        *,
        manifest: Manifest | None = None,
        graphs: bool = True,
    ) -> None:
        started_s = time.perf_counter()
        with contextlib.ExitStack() as undo:
            undo.callback(device.close)
            plan, sha256 = _read(path, manifest)
            contract, runner = _load(approval, device, path, plan, manifest, sha256=sha256, graphs=graphs)
            undo.callback(runner.close)
            super().__init__(
                contract,
                manifest,
                SessionInfo(
                    engine=str(path),
                    sha256=sha256,
                    runtime=approval.flavour,
                    provider=device.backend,
                    device=f"cuda:0 ({approval.gpu.name}, sm{approval.gpu.capability})",
                    precision=precision_text(manifest),
                    threads=1,
                    load_s=time.perf_counter() - started_s,
                    versions={approval.flavour: str(approval.library.__version__), **device.versions},
                ),
            )
            self._close_all = undo.pop_all()
        self._runner = runner
        self._library = approval.library

    def run(self, images: npt.NDArray[Any] | SupportsDlpack) -> Logits:
        """Return the logits, float32 [N, classes], of a batch in the host's or the GPU's memory.

        Raises:
            UsageError: The batch has another type or shape than the contract says, no profile takes so many images, or
                the session is closed.
            RanDeployError: TensorRT or CUDA fails.
        """
        if is_on_gpu(images):
            return _float32(self._runner.run_on_gpu(images, self._check)[0])
        return super().run(images)

    def run_timed(self, images: npt.NDArray[Any] | SupportsDlpack) -> tuple[Logits, float]:
        """Return the logits, and the milliseconds that the GPU computed for them, copies to and from it left out.

        Raises:
            UsageError: As :meth:`run`.
            RanDeployError: As :meth:`run`.
        """
        if is_on_gpu(images):
            logits, device_ms = self._runner.run_on_gpu(images, self._check, timed=True)
        else:
            logits, device_ms = self._runner.run(self._admit(images), timed=True)
        return _float32(logits), device_ms

    @property
    def library(self) -> ModuleType:
        """``tensorrt`` or ``tensorrt_rtx``, for its IProfiler."""
        return self._library

    def run_profiled(self, images: npt.NDArray[Any], profiler: Any) -> str:
        """Run a batch and have its layers' times told to ``profiler``, an IProfiler of :attr:`library`.

        Only for a session that was opened without graphs, which hide the layers.

        Returns:
            The engine inspector's JSON on the layers.

        Raises:
            UsageError: As :meth:`run`.
            RanDeployError: As :meth:`run`.
        """
        return self._runner.run_profiled(self._admit(images), profiler)

    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._runner.run(images)[0]

    def _check(self, tensor: DeviceTensor) -> None:
        check_batch(tensor, self.contract.input)

    def _free(self) -> None:
        self._close_all.close()


def _float32(logits: npt.NDArray[Any]) -> Logits:
    return np.asarray(logits, dtype=np.float32)


def _read(path: Path, manifest: Manifest | None) -> tuple[bytes, str]:
    """Return the plan's bytes, which will be executed as they are, and their hash."""
    plan = path.read_bytes()
    sha256 = sha256_bytes(plan)
    if manifest is not None and sha256 != manifest.sha256:
        raise IntegrityError(f"{path} was changed while it was opened.", fix="Open it again.")
    return plan, sha256


def _load(
    approval: Approval,
    device: CudaDevice,
    path: Path,
    plan: bytes,
    manifest: Manifest | None,
    *,
    sha256: str,
    graphs: bool,
) -> tuple[Contract, TrtRunner]:
    with device.current(), contextlib.ExitStack() as undo:
        loaded = load_engine(approval.library, path, plan)
        undo.callback(loaded.close)
        inputs, outputs = loaded.inputs(), loaded.outputs()
        if manifest is None:
            contract = infer_contract(str(path), inputs, outputs)
            warn_of_guesses(path, contract)
        else:
            contract = manifest.contract
        check_ports("input", path, [contract.input], inputs)
        check_ports("output", path, [contract.output], outputs)
        runner = TrtRunner(loaded, device, images=contract.input, logits=contract.output, sha256=sha256, graphs=graphs)
        undo.pop_all()
        return contract, runner
