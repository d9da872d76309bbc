"""ONNX engines on the CPU, through OpenVINO: the same files as ONNX Runtime's, Q/DQ files in real INT8."""

import collections
import time
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import DYNAMIC, Contract, Manifest
from ran_deploy.runtime.base import EngineSession, engine_sha256
from ran_deploy.runtime.io_check import Port, check_ports
from ran_deploy.runtime.openvino_factor import factor_masks
from ran_deploy.runtime.openvino_load import load_openvino
from ran_deploy.runtime.session import SessionInfo
from ran_deploy.runtime.threads import check_threads, usable_cpus

InferencePrecision = Literal["f32", "bf16"]
Hint = Literal["latency", "throughput"]
_DEVICE = "CPU"
_CAPABILITIES = {"f32": "FP32", "bf16": "BF16"}
_DTYPES = {"u8": "uint8", "f32": "float32", "f16": "float16"}
_LAYERS = ("Convolution", "GroupConvolution", "FullyConnected", "MatMul")
_LAYER_TYPES = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "i8": "int8", "u8": "int8"}


class OpenVinoSession(EngineSession):
    """An ``.onnx`` file in OpenVINO's CPU plugin. Threads may share it.

    OpenVINO's default is to compute float32 files in bfloat16 where the CPU can, with errors of 1e-3. Here the
    precision is always set, and what the compiled layers really run in is read back into ``info.precision``.

    Args:
        path: The ``.onnx`` file: float32, float16 or with Q/DQ.
        contract: What its input and output must be.
        manifest: The manifest beside it, already verified; None on trust.
        threads: Threads in all; None: as many as the CPUs that this process may use.
        precision: What is not INT8 is computed in this: "f32", also for float16 files, or "bf16".
        hint: "latency": one run at a time uses all threads; "throughput": several threads that run at once share them.
        profile: Time each kernel; the requests of :attr:`compiled` then have ``profiling_info``.

    Raises:
        UsageError: The file is missing, ``threads`` is less than 1, or ``precision`` or ``hint`` is another.
        IntegrityError: The file is not an ONNX model, or its input and output are not those of the contract.
        IncompatibleError: The model has operators that the installed OpenVINO does not have.
        MissingError: OpenVINO is not installed, or this CPU does not compute in bfloat16.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        *,
        manifest: Manifest | None = None,
        threads: int | None = None,
        precision: InferencePrecision = "f32",
        hint: Hint = "latency",
        profile: bool = False,
    ) -> None:
        check_threads(threads)
        if precision not in _CAPABILITIES or hint not in ("latency", "throughput"):
            raise UsageError(
                f"OpenVINO cannot run with {precision!r} for {hint!r}; expected f32 or bf16, latency or throughput."
            )
        require_file(path, what="engine")
        openvino = load_openvino(f"Running {path.name} in OpenVINO")
        started_s = time.perf_counter()
        core = openvino.Core()
        _check_capable(core, precision)
        model = _read(openvino, path)
        check_ports("input", path, [contract.input], [_port(port) for port in model.inputs])
        check_ports("output", path, [contract.output, *contract.masks], [_port(port) for port in model.outputs])
        factor_masks(model)
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads or usable_cpus(),
            "PERFORMANCE_HINT": hint.upper(),
            "PERF_COUNT": profile,
        }
        compiled = _compile(openvino, core, model, path, options)
        super().__init__(
            contract,
            manifest,
            SessionInfo(
                engine=str(path),
                sha256=engine_sha256(path, manifest),
                runtime="openvino",
                provider=_DEVICE,
                device="cpu",
                precision=f"{_obtained(compiled)} (inference precision {precision})",
                threads=compiled.get_property("INFERENCE_NUM_THREADS"),
                load_s=time.perf_counter() - started_s,
                versions={"openvino": _version(openvino)},
            ),
        )
        self._compiled: Any = compiled
        # A request runs one batch at a time. Idle ones wait here; a deque's ends are safe to use from many threads.
        self._idle: collections.deque[Any] = collections.deque()

    @property
    def compiled(self) -> Any:
        """OpenVINO's own compiled model, for a profiler."""
        return self._compiled

    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._first_outputs(images, 1)[0]

    def _compute_with_masks(self, images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        return self._first_outputs(images, 1 + len(self.masks))

    def _first_outputs(self, images: npt.NDArray[Any], count: int) -> list[npt.NDArray[Any]]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            request.infer({0: images})
            # Copies: the request's own tensors are written over by its next run.
            return [request.get_output_tensor(place).data.copy() for place in range(count)]
        finally:
            self._idle.append(request)

    def _free(self) -> None:
        self._idle.clear()
        self._compiled = None


def _check_capable(core: Any, precision: str) -> None:
    capabilities = core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITIES[precision] not in capabilities:
        raise MissingError(
            f"This CPU does not compute in {precision}; OpenVINO finds {', '.join(capabilities)} on it.",
            fix="Use f32.",
        )


def _read(openvino: Any, path: Path) -> Any:
    # The ONNX front end alone: Core.read_model tries all others on a damaged file, which then write to stderr.
    frontend = openvino.frontend.FrontEndManager().load_by_framework("onnx")
    try:
        return frontend.convert(frontend.load(str(path)))
    except openvino.frontend.OpConversionFailure as error:
        raise _incompatible(openvino, path, error) from error
    except Exception as error:  # the front end's exceptions have no common base but Exception
        raise IntegrityError(
            f"{path} is not a whole ONNX model: {_reason(error)}", fix="Restore the file, or export it again."
        ) from error


def _compile(openvino: Any, core: Any, model: Any, path: Path, options: dict[str, Any]) -> Any:
    try:
        return core.compile_model(model, _DEVICE, options)
    except RuntimeError as error:
        raise _incompatible(openvino, path, error) from error


def _incompatible(openvino: Any, path: Path, error: Exception) -> IncompatibleError:
    return IncompatibleError(
        f"{path} does not run in OpenVINO {_version(openvino)}: {_reason(error)}",
        fix="Install a newer openvino, or use --runtime onnxruntime.",
    )


def _version(openvino: Any) -> str:
    return str(openvino.__version__).split("-", maxsplit=1)[0]  # without build number and branch


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[max(text.find("No conversion rule"), 0) :][:300]  # what matters, where it is said


def _port(port: Any) -> Port:
    dtype = port.element_type.get_type_name()
    shape = tuple(DYNAMIC if side.is_dynamic else side.get_length() for side in port.partial_shape)
    return Port(name=port.any_name, dtype=_DTYPES.get(dtype, dtype), shape=shape)


def _obtained(compiled: Any) -> str:
    """Return the types in which the layers with weights really run, such as "fp32+int8"."""
    kinds = set()
    for layer in compiled.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        if facts["layerType"].astype(str) in _LAYERS:
            kind = facts["runtimePrecision"].astype(str)
            kinds.add(_LAYER_TYPES.get(kind, kind))
    return "+".join(sorted(kinds)) or "unknown"
