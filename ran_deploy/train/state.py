"""The state of a training run on the disk: everything that a resumed run needs to go on identically.

One safetensors file (no pickle) holds weights, their moving average and what the optimizer remembers; its metadata
holds the counters, the scale of the loss and what the run was started with. All randomness is drawn from
(seed, epoch, step), so no generator state is needed.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from ran_deploy.arch.tensor_file import check_tensors, save_tensors
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import atomic_path
from ran_deploy.train.recipe import Recipe


@dataclass(slots=True, kw_only=True)
class Counters:
    """How far a run is, the running sums of the epoch under way, and what the watch over the loss remembers."""

    step: int = 0
    """Optimizer steps done."""
    elapsed_s: float = 0.0
    """Time spent training, over all sittings."""
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    mean_loss: float = 0.0
    """Exponential average of the loss; 0: none yet."""
    steps_above: int = 0
    """Steps for which it has been above the loss of guessing."""
    steps_stuck: int = 0
    """Steps for which it has been that of guessing."""


@dataclass(slots=True)
class RunState:
    """The live objects that make up the state of a run."""

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    identity: dict[str, Any]
    """What the run was started with: arch, dataset, options, recipe; a resumed run must be the same."""
    counters: Counters = field(default_factory=Counters)

    def save(self, path: Path) -> None:
        """Write the state atomically: after a kill, the file is the previous or the new state, whole."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in (("model", self.model), ("average", self.average)):
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
        for index, parameter in enumerate(_parameters(self.optimizer)):
            remembered = self.optimizer.state[parameter].items()
            tensors |= {f"optimizer.{index}.{name}": value for name, value in remembered if value is not None}
        metadata = {
            "identity": json.dumps(self.identity, sort_keys=True),
            "counters": json.dumps(asdict(self.counters)),
            "scaler": json.dumps(self.scaler.state_dict()),
        }
        with atomic_path(path) as temporary:
            save_tensors(temporary, tensors, metadata, seal=True)

    def restore(self, data: bytes, path: Path) -> None:
        """Restore what :meth:`save` wrote.

        Args:
            data: The file's bytes.
            path: Its path, for messages.

        Raises:
            UsageError: The run was started with another arch, dataset, option or recipe.
            IntegrityError: The file is truncated, changed or not such a state.
        """
        try:
            metadata = check_tensors(data, str(path), known=("identity", "counters", "scaler"))
            stored = json.loads(metadata["identity"])
            # A recipe of an earlier version lacks the fields that came later, which it had at their defaults.
            stored["recipe"] = {**asdict(Recipe()), **stored["recipe"]}
            _same_identity(path, stored, self.identity)
            tensors = load(data)
            for prefix, module in (("model", self.model), ("average", self.average)):
                module.load_state_dict(_under(prefix, tensors))
            for index, parameter in enumerate(_parameters(self.optimizer)):
                for name, tensor in _under(f"optimizer.{index}", tensors).items():
                    self.optimizer.state[parameter][name] = _like(parameter, tensor)
                if (old := tensors.get(f"momentum.{index}")) is not None:  # the name when there was only SGD
                    self.optimizer.state[parameter]["momentum_buffer"] = _like(parameter, old)
            if scaler := json.loads(metadata.get("scaler", "{}")):
                self.scaler.load_state_dict(scaler)
            self.counters = Counters(**json.loads(metadata["counters"]))
        except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise IntegrityError(
                f"{path} is not a training state of this network: {error!s:.200}.",
                fix="Start again without --resume, in another folder.",
            ) from error


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _like(parameter: nn.Parameter, stored: Tensor) -> Tensor:
    """Return a copy on the parameter's device, and in its memory layout where it has its shape."""
    if stored.shape != parameter.shape:
        return stored.to(parameter.device, copy=True)
    return torch.empty_like(parameter, requires_grad=False).copy_(stored)


def _same_identity(path: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    wanted = json.loads(json.dumps(wanted))
    stored = json.loads(json.dumps(stored))
    for key in sorted(stored.keys() | wanted.keys()):
        old, new = stored.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted(old.keys() | new.keys()):
                if old.get(name) != new.get(name):
                    key, old, new = f"{key}: {name}", old.get(name), new.get(name)  # noqa: PLW2901
                    break
        if old != new:
            raise UsageError(
                f"{path} is of a run with {key} = {old}; now it is {new}.",
                fix="Resume with the same settings, or train into another folder.",
            )
