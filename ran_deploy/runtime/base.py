"""What the sessions share, whatever computes: the checks before each run, and the end of life."""

import abc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Contract, Manifest, TensorSpec
from ran_deploy.runtime.dlpack import SupportsDlpack, to_numpy
from ran_deploy.runtime.session import Logits, Masks, SessionInfo, check_batch


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

    def opened_as(self, path: Path) -> None:
        """Say that the engine came out of ``path``, an archive, and not of the file that is gone."""
        self._info = replace(self._info, engine=str(path))

    def run(self, images: npt.NDArray[Any] | SupportsDlpack) -> Logits:
        """Return the logits, float32 [N, classes], of a batch; several threads may call this at once.

        Args:
            images: A NumPy array, or a tensor of another library in the host's memory, taken through DLPack.

        Raises:
            UsageError: The batch has another type or shape than the contract says, or the session is closed.
        """
        return np.asarray(self._compute(self._admit(images)), dtype=np.float32)

    @property
    def masks(self) -> tuple[TensorSpec, ...]:
        """What :meth:`run_with_masks` returns beside the logits; none where the engine gives no masks."""
        return self._contract.masks

    def run_with_masks(self, images: npt.NDArray[Any] | SupportsDlpack) -> tuple[Logits, Masks]:
        """Return the logits, float32 [N, classes], and each attention module's mean soft mask, float32 [N, H, W].

        Raises:
            UsageError: As :meth:`run`, or the engine gives no masks.
        """
        batch = self._admit(images)
        if not self.masks:
            raise no_masks(self._info.engine)
        logits, *masks = (np.asarray(output, np.float32) for output in self._compute_with_masks(batch))
        return logits, {spec.name: mask for spec, mask in zip(self.masks, masks, strict=True)}

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
        self._check_open()
        batch = to_numpy(images)
        check_batch(batch, self._contract.input)
        return batch

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(f"The session of {self._info.engine} is closed.", fix="Open the engine again.")

    @abc.abstractmethod
    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the logits [N, classes] of a batch that has been checked."""

    def _compute_with_masks(self, images: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:  # noqa: ARG002
        """Return the logits and then what :attr:`masks` describes, of a batch that has been checked."""
        raise no_masks(self._info.engine)

    @abc.abstractmethod
    def _free(self) -> None:
        """Let go of the engine."""


def no_masks(engine: str) -> UsageError:
    """The error of asking an engine for masks that it does not give."""
    return UsageError(
        f"{engine} gives no attention masks.",
        fix="Use the checkpoint, or export the network again with: ran-deploy export --with-masks",
    )


def engine_sha256(path: Path, manifest: Manifest | None) -> str:
    """Return the engine's hash: the manifest's, which was verified on opening, or else the file's."""
    return manifest.sha256 if manifest is not None else sha256_file(path)


def precision_text(manifest: Manifest | None) -> str:
    """Return the types that the file really holds, such as "float16+float32"; "unknown" without a manifest."""
    if manifest is None:
        return "unknown"
    return "+".join(sorted(manifest.precision.obtained)) or manifest.precision.asked
