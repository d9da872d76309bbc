"""Checkpoints as engines, through PyTorch on the CPU: the reference that the others are measured against."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ran_deploy.arch.checkpoint import CheckpointInfo, load_checkpoint
from ran_deploy.arch.deployable import Deployable
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import IntegrityError, MissingError
from ran_deploy.manifest import Contract, Manifest
from ran_deploy.runtime.base import EngineSession, engine_sha256
from ran_deploy.runtime.session import SessionInfo
from ran_deploy.runtime.threads import check_threads


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

    def _compute(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        # PyTorch takes neither read-only arrays nor negative strides; other arrays are not copied.
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        with self._one_at_a_time, torch.inference_mode():
            return self._module(batch).numpy()  # type: ignore[no-any-return]

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
        self._module = None


def _check_same(path: Path, info: CheckpointInfo, manifest: Manifest) -> None:
    found = (info.arch, info.dataset, info.labels)
    said = (manifest.arch, manifest.dataset, manifest.contract.labels)
    if found != said:
        raise IntegrityError(
            f"{path} holds {info.arch} for {info.dataset} with {info.classes} classes; its manifest says "
            f"{manifest.arch} for {manifest.dataset} with {len(manifest.contract.labels)}, or other labels.",
            fix="Restore the checkpoint and its manifest, or train it again.",
        )
