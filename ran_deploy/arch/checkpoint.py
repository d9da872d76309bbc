"""Checkpoints: a safetensors file with the weights, whose metadata says which network they are for."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from ran_deploy.arch.registry import create_model
from ran_deploy.arch.tensor_file import save_tensors
from ran_deploy.config import from_mapping
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file

_FORMAT = "ran-deploy.checkpoint/v1"
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """What a checkpoint's metadata says."""

    arch: str
    dataset: str
    classes: int
    labels: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


def save_weights(path: Path, model: nn.Module, info: CheckpointInfo) -> None:
    """Write weights and metadata to ``path``, not atomically: use it with ``manifest.publish``."""
    metadata = {"format": _FORMAT, "info": json.dumps(asdict(info), sort_keys=True)}
    save_tensors(path, model.state_dict(), metadata)


def read_info(path: Path) -> CheckpointInfo:
    """Read only the metadata of a checkpoint.

    Raises:
        UsageError: The file is missing, is no safetensors file, or is one from elsewhere.
        IntegrityError: It is not a whole safetensors file.
    """
    require_file(path, what="checkpoint")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
    except SafetensorError as error:
        if path.suffix != _SUFFIX:
            raise UsageError(
                f"{path} is not a checkpoint of ran-deploy, whose name ends in {_SUFFIX}.",
                fix="Give the file that ran-deploy train wrote. Pickles (.pt, .pth) may run code and are not read.",
            ) from error
        raise _damaged(path, error) from error
    if metadata.get("format") != _FORMAT:
        raise UsageError(
            f"{path} is a safetensors file, but not a checkpoint of ran-deploy.",
            fix="Train one with: ran-deploy train",
        )
    try:
        document = json.loads(metadata["info"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, error) from error
    return from_mapping(CheckpointInfo, document, where=str(path), error=IntegrityError, fix="Train it again.")


def load_checkpoint(path: Path) -> tuple[nn.Module, CheckpointInfo]:
    """Build the network that a checkpoint is for, with its weights, in evaluation mode.

    Raises:
        UsageError: The file is missing, or is safetensors from elsewhere.
        IntegrityError: It is truncated, or its tensors are not those of its network.
    """
    info = read_info(path)
    model = create_model(info.arch, info.dataset, info.classes, **info.options)
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        raise _damaged(path, error) from error
    return model.eval(), info


def _damaged(path: Path, error: Exception) -> IntegrityError:
    reason = str(error).splitlines()[0][:200]
    return IntegrityError(f"{path} is not a whole checkpoint: {reason}.", fix="Restore the file, or train it again.")
