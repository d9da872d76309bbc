"""How Triton serves a model: what the user may choose, each with a default that is safe."""

from dataclasses import dataclass
from typing import Literal, get_args

from ran_deploy.errors import UsageError
from ran_deploy.runtime.open import Runtime

Backend = Literal["tensorrt", "onnxruntime", "openvino", "python"]
"""The back ends of Triton that a package is made for; "python" runs our own session."""
BACKENDS: tuple[Backend, ...] = get_args(Backend)
Accelerator = Literal["cuda", "tensorrt", "openvino"]
"""Execution providers that Triton's ONNX Runtime back end can be told to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonOptions:
    """How Triton serves a model.

    Raises:
        UsageError: A number is out of range.
    """

    backend: Literal["auto", Backend] = "auto"
    """"auto": "tensorrt" for a plan of the full TensorRT, "python" for one of TensorRT-RTX, else "onnxruntime"."""
    max_batch: int | None = None
    """Largest batch; None: the plan's largest, or 64 for ``.onnx``; 0: Triton does not batch."""
    preferred: tuple[int, ...] | None = None
    """Batch sizes that are run as soon as they are reached; None: of a plan its tuned and its largest, else none."""
    queue_delay_us: int = 1000
    """How long a request may wait for others to share its batch, in microseconds."""
    queue_size: int = 1024
    """Requests that may wait; further ones are refused at once instead of waiting without end."""
    queue_timeout_us: int = 0
    """How long a request may wait before it is refused, in microseconds; 0: for ever."""
    instances: int = 1
    """Copies of the model on each device."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """"auto": the GPU for a plan or a GPU accelerator, else the CPU."""
    gpus: tuple[int, ...] = ()
    """Numbers of the GPUs to use; none: all that Triton sees."""
    keep_versions: int = 1
    """How many of the newest versions are served."""
    cuda_graphs: bool = True
    """Back end tensorrt: replay CUDA graphs of batch size 1, the preferred ones and the largest."""
    accelerator: Accelerator | None = None
    """Back end onnxruntime: what runs the model within ONNX Runtime."""
    threads: int | None = None
    """CPU threads of each copy; None: as the runtime thinks best."""
    runtime: Runtime = "auto"
    """Back end python: what runs the engine."""
    checksum: bool = False
    """Have Triton's checksum agent compare the engine's MD5 before it loads; the agent must be in the server."""

    def __post_init__(self) -> None:
        """Check what does not depend on the engine."""
        self._at_least("--max-batch", self.max_batch, 0)
        self._at_least("--queue-delay-us", self.queue_delay_us, 0)
        self._at_least("--queue-size", self.queue_size, 0)
        self._at_least("--queue-timeout-us", self.queue_timeout_us, 0)
        self._at_least("--instances", self.instances, 1)
        self._at_least("--keep-versions", self.keep_versions, 1)
        self._at_least("--threads", self.threads, 1)
        for size in self.preferred or ():
            self._at_least("--preferred-batch", size, 1)
        for number in self.gpus:
            self._at_least("--gpus", number, 0)
        if self.gpus and self.device == "cpu":
            raise UsageError("--gpus is given, but the device is cpu.", fix="Leave one out.")

    @staticmethod
    def _at_least(name: str, value: int | None, least: int) -> None:
        if value is not None and value < least:
            raise UsageError(f"{name} is {value}; expected at least {least}.", fix="Correct it.")
