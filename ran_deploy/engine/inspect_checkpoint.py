"""What a safetensors file says of itself, whoever wrote it."""

import importlib.util
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ran_deploy.data.catalog import dataset_info
from ran_deploy.errors import IntegrityError, UsageError

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """A safetensors file as it is."""

    network: dict[str, Any] | None
    """Arch, dataset, classes and options; None for a file that ran-deploy did not write."""
    tensors: int
    parameters: int
    """Elements of the tensors, without the running statistics of BN."""
    dtypes: dict[str, int]
    """Number of tensors by type."""
    macs: int | None
    """Multiply-adds of convolutions and products for one image; None for another's network, or without PyTorch."""


def checkpoint_facts(path: Path) -> CheckpointFacts:
    """Read names, types and shapes only; PyTorch is needed for the multiply-adds alone.

    Raises:
        IntegrityError: The file is not whole.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            dtypes = Counter(str(part.get_dtype()) for part in slices.values())
            counted = (part for name, part in slices.items() if not name.endswith(_BUFFERS))
            parameters = sum(int(np.prod(part.get_shape())) for part in counted)
            info = (stored.metadata() or {}).get("info")
        network = None if info is None else dict(json.loads(info))
    except (SafetensorError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise IntegrityError(
            f"{path} is not a whole checkpoint: {reason}.", fix="Restore the file, or train it again."
        ) from error
    return CheckpointFacts(
        network=network,
        tensors=len(slices),
        parameters=parameters,
        dtypes=dict(dtypes),
        macs=None if network is None else _macs(network),
    )


def _macs(network: Mapping[str, Any]) -> int | None:
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    from ran_deploy.arch.count import count_macs
    from ran_deploy.arch.registry import create_model

    try:
        size = dataset_info(network["dataset"]).size
        with torch.device("meta"):
            model = create_model(network["arch"], network["dataset"], network["classes"], **network["options"])
        return count_macs(model, size)
    except (KeyError, TypeError, UsageError):  # written by another version, or by another program
        return None
