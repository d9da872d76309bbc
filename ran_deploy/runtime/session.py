"""What every engine looks like to the code that runs it."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC, Contract, Manifest, TensorSpec
from ran_deploy.runtime.dlpack import DeviceTensor

Logits = npt.NDArray[np.float32]
"""float32 [N, classes]."""
Masks = dict[str, npt.NDArray[np.float32]]
"""Each attention module's soft mask as the mean over its channels, float32 [N, H, W], by name, the first module
first: 0 to 1, or with channel attention -1 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What really runs: never what was only asked for."""

    engine: str
    """Path of the engine file."""
    sha256: str
    runtime: str
    """"torch", "onnxruntime", "openvino", "tensorrt" or "tensorrt-rtx"."""
    provider: str
    """The provider or back end that computes, such as "CPUExecutionProvider"."""
    device: str
    precision: str
    """The types that the layers run in as far as the runtime tells, else those that the file holds."""
    threads: int
    load_s: float
    versions: dict[str, str] = field(default_factory=dict)


class Session(Protocol):
    """An opened engine. Use it as a context manager, or call :meth:`close`."""

    @property
    def contract(self) -> Contract:
        """Input, output, preprocessing and labels."""

    @property
    def manifest(self) -> Manifest | None:
        """The manifest beside the engine; None for a file that was opened on trust."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The engine's inputs."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The engine's outputs."""

    @property
    def info(self) -> SessionInfo:
        """What really runs."""

    def run(self, images: npt.NDArray[Any]) -> Logits:
        """Return the logits, float32 [N, classes], of a batch that meets the input's contract.

        Raises:
            UsageError: The batch has another type or shape.
        """

    @property
    def masks(self) -> tuple[TensorSpec, ...]:
        """What :meth:`run_with_masks` returns beside the logits; none where the engine gives no masks."""

    def run_with_masks(self, images: npt.NDArray[Any]) -> tuple[Logits, Masks]:
        """Return the logits, and the soft masks of the attention modules.

        Raises:
            UsageError: The batch has another type or shape, or the engine gives no masks.
        """

    def close(self) -> None:
        """Free the engine; a closed session cannot run."""

    def __enter__(self) -> Self:
        """Return the session itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""


def check_batch(images: npt.NDArray[Any] | DeviceTensor, spec: TensorSpec) -> None:
    """Check a batch against an input's contract.

    Raises:
        UsageError: It has another type or shape, or no images.
    """
    expected = " × ".join("N" if side == DYNAMIC else str(side) for side in spec.shape)
    if images.dtype != np.dtype(spec.dtype):
        raise UsageError(
            f"The input {spec.name!r} is {images.dtype}; this engine takes {spec.dtype} [{expected}].",
            fix="Convert the images; ran_deploy.data.preprocess.to_engine_input does it.",
        )
    fits = images.ndim == len(spec.shape) and all(
        side in (DYNAMIC, actual) for side, actual in zip(spec.shape, images.shape, strict=True)
    )
    if not fits or images.shape[0] == 0:
        shape = " × ".join(str(side) for side in images.shape)
        raise UsageError(
            f"The input {spec.name!r} is [{shape}]; this engine takes [{expected}] with at least one image.",
            fix="Bring the images to model size; ran_deploy.data.preprocess.load_images does it.",
        )
