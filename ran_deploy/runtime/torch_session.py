"""Checkpoints as engines, through PyTorch on the CPU: the reference that the others are measured against."""

import contextlib
import functools
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ran_deploy.arch.checkpoint import CheckpointInfo, load_checkpoint
from ran_deploy.arch.deployable import Deployable, DeployableWithMasks
from ran_deploy.arch.masks import mask_specs
from ran_deploy.arch.network import Attended
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import IntegrityError, MissingError
from ran_deploy.manifest import Contract, Manifest, TensorSpec
from ran_deploy.runtime.base import EngineSession, engine_sha256
from ran_deploy.runtime.session import Logits, SessionInfo
from ran_deploy.runtime.threads import check_threads


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttendedArrays:
    """What one attention module did to its features; each float32 [N, C, H, W]."""

    before: npt.NDArray[np.float32]
    """The trunk's features."""
    mask: npt.NDArray[np.float32]
    """The soft mask: 0 to 1, or with channel attention -1 to 1."""
    after: npt.NDArray[np.float32]
    """The features after the mask was applied."""


class TorchSession(EngineSession):
    """A checkpoint in PyTorch, float32, channels last. Threads may share it.

    Args:
        path: The ``.safetensors`` checkpoint.
        manifest: The manifest beside it, already verified; without one, the checkpoint's own metadata serve.
        threads: PyTorch's threads; PyTorch has one number for the whole process, which this sets. None: as it is.
        compiled: Compile the network with ``torch.compile``: once on opening, and anew for the first runs with another
            batch size. Runs follow one another then, since the compiler is not made for several threads.

    Raises:
        UsageError: The file is missing, is safetensors from elsewhere, or ``threads`` is less than 1.
        IntegrityError: The file is truncated, or is for another network than its manifest says.
        MissingError: ``torch.compile`` does not work here; most often for want of a C++ compiler.
    """

    def __init__(
        self, path: Path, *, manifest: Manifest | None = None, threads: int | None = None, compiled: bool = False
    ) -> None:
        check_threads(threads)
        if threads is not None:
            torch.set_num_threads(threads)
        started_s = time.perf_counter()
        network, info = load_checkpoint(path)
        if manifest is not None:
            _check_same(path, info, manifest)
        contract = make_contract(dataset_info(info.dataset), info.labels) if manifest is None else manifest.contract
        # It shares the network, so that it costs no memory; compiling the one leaves the other as it is.
        self._with_masks: Any = DeployableWithMasks(network, contract).eval()
        module = Deployable(network, contract).eval()
        # mypy sees only the overload of Module.to that lacks memory_format.
        self._module: Any = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._one_at_a_time = threading.Lock() if compiled else contextlib.nullcontext()
        if compiled:
            self._module = torch.compile(self._module)
            self._warm_up(contract)
        load_s = time.perf_counter() - started_s
        super().__init__(
            contract,
            manifest,
            SessionInfo(
                engine=str(path),
                sha256=engine_sha256(path, manifest),
                runtime="torch",
                provider="torch.compile" if compiled else "eager",
                device="cpu",
                precision="fp32",
                threads=torch.get_num_threads(),
                load_s=load_s,
                versions={"torch": str(torch.__version__)},
            ),
        )

    @property
    def module(self) -> torch.nn.Module:
        """What computes, for profilers: the network behind the contract's input."""
        self._check_open()
        return self._module  # type: ignore[no-any-return]

    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        # PyTorch takes neither read-only arrays nor negative strides; other arrays are not copied.
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        with self._one_at_a_time, torch.inference_mode():
            return self._module(batch).numpy()  # type: ignore[no-any-return]

    @functools.cached_property
    def masks(self) -> tuple[TensorSpec, ...]:
        """What :meth:`run_with_masks` returns beside the logits; a checkpoint has them in any case."""
        self._check_open()
        return mask_specs(self._with_masks.network, self.contract.preprocessing.size)

    def _compute_with_masks(self, images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        with torch.inference_mode():
            return [output.numpy() for output in self._with_masks(batch)]

    def run_attended(self, images: npt.NDArray[Any]) -> tuple[Logits, tuple[AttendedArrays, ...]]:
        """Return the logits, and every channel of each attention module's features and mask, in the order of modules.

        Raises:
            UsageError: As :meth:`run`.
        """
        batch = torch.from_numpy(np.require(self._admit(images), requirements=["C", "W"]))
        seen: list[Attended] = []
        with torch.inference_mode():
            logits = self._with_masks.network(self._with_masks.normalize(batch), seen)
        return logits.numpy(), tuple(
            AttendedArrays(before=each.before.numpy(), mask=each.mask.numpy(), after=each.after.numpy())
            for each in seen
        )

    def _warm_up(self, contract: Contract) -> None:
        """Compile now, so that what is missing is said on opening and the first run does not pay for it."""
        try:
            self._compute(np.zeros((1, *contract.input.shape[1:]), contract.input.dtype))
        except Exception as error:  # the compiler's exceptions have no common base but Exception
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise MissingError(
                f"torch.compile does not work here: {reason[:200]}",
                fix="Install a C++ compiler such as g++, or leave --runtime torch-compile out.",
            ) from error

    def _free(self) -> None:
        self._module = self._with_masks = None


def _check_same(path: Path, info: CheckpointInfo, manifest: Manifest) -> None:
    found = (info.arch, info.dataset, info.labels)
    said = (manifest.arch, manifest.dataset, manifest.contract.labels)
    if found != said:
        raise IntegrityError(
            f"{path} holds {info.arch} for {info.dataset} with {info.classes} classes; its manifest says "
            f"{manifest.arch} for {manifest.dataset} with {len(manifest.contract.labels)}, or other labels.",
            fix="Restore the checkpoint and its manifest, or train it again.",
        )
