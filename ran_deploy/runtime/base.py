"""What the sessions share, whatever computes: the checks before each run, and the end of life."""

import abc
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Contract, Manifest, TensorSpec
from ran_deploy.runtime.dlpack import SupportsDlpack, to_numpy
from ran_deploy.runtime.session import Logits, SessionInfo, check_batch


class EngineSession(abc.ABC):
    """A :class:`~ran_deploy.runtime.session.Session` around one engine; subclasses only compute and free.

    Raises:
        IntegrityError: The contract has another number of labels than of logits.
    """

    def __init__(self, contract: Contract, manifest: Manifest | None, info: SessionInfo) -> None:
        classes = contract.output.shape[-1]
        if classes != len(contract.labels):
            raise IntegrityError(
                f"The manifest of {info.engine} names {len(contract.labels)} labels for {classes} logits.",
                fix="Make the engine again.",
            )
        self._contract = contract
        self._manifest = manifest
        self._info = info
        self._closed = False

    @property
    def contract(self) -> Contract:
        """Input, output, preprocessing and labels."""
        return self._contract

    @property
    def manifest(self) -> Manifest | None:
        """The manifest beside the engine; None for a file that was opened on trust."""
        return self._manifest

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The engine's inputs."""
        return (self._contract.input,)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The engine's outputs."""
        return (self._contract.output,)

    @property
    def info(self) -> SessionInfo:
        """What really runs."""
        return self._info

    def run(self, images: npt.NDArray[Any] | SupportsDlpack) -> Logits:
        """Return the logits, float32 [N, classes], of a batch; several threads may call this at once.

        Args:
            images: A NumPy array, or a tensor of another library in the host's memory, taken through DLPack.

        Raises:
            UsageError: The batch has another type or shape than the contract says, or the session is closed.
        """
        return np.asarray(self._compute(self._admit(images)), dtype=np.float32)

    def close(self) -> None:
        """Free the engine; a closed session cannot run. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._free()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        self.close()

    def _admit(self, images: npt.NDArray[Any] | SupportsDlpack) -> npt.NDArray[Any]:
        """Return a batch in the host's memory as an array that meets the contract."""
        if self._closed:
            raise UsageError(f"The session of {self._info.engine} is closed.", fix="Open the engine again.")
        batch = to_numpy(images)
        check_batch(batch, self._contract.input)
        return batch

    @abc.abstractmethod
    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the logits [N, classes] of a batch that has been checked."""

    @abc.abstractmethod
    def _free(self) -> None:
        """Let go of the engine."""


def engine_sha256(path: Path, manifest: Manifest | None) -> str:
    """Return the engine's hash: the manifest's, which was verified on opening, or else the file's."""
    return manifest.sha256 if manifest is not None else sha256_file(path)


def precision_text(manifest: Manifest | None) -> str:
    """Return the types that the file really holds, such as "float16+float32"; "unknown" without a manifest."""
    if manifest is None:
        return "unknown"
    return "+".join(sorted(manifest.precision.obtained)) or manifest.precision.asked
