"""The state of a training run on the disk: everything that a resumed run needs to go on identically.

One safetensors file (no pickle) holds weights, their moving average and the optimizer's momentum; its
metadata holds the counters and what the run was started with. All randomness is drawn from
(seed, epoch, step), so no generator state is needed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import atomic_path


@dataclass(slots=True, kw_only=True)
class Counters:
    """How far a run is, and the running sums of the epoch under way."""

    step: int = 0
    """Optimizer steps done."""
    elapsed_s: float = 0.0
    """Time spent training, over all sittings."""
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0


@dataclass(slots=True)
class RunState:
    """The live objects that make up the state of a run."""

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    identity: dict[str, Any]
    """What the run was started with: arch, dataset, options, recipe; a resumed run must be the same."""
    counters: Counters = field(default_factory=Counters)

    def save(self, path: Path) -> None:
        """Write the state atomically: after a kill, the file is the previous or the new state, whole."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in (("model", self.model), ("average", self.average)):
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
        for index, parameter in enumerate(_parameters(self.optimizer)):
            momentum = self.optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                tensors[f"momentum.{index}"] = momentum
        counters = {name: getattr(self.counters, name) for name in self.counters.__slots__}
        metadata = {"identity": json.dumps(self.identity, sort_keys=True), "counters": json.dumps(counters)}
        with atomic_path(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)

    def load(self, path: Path) -> None:
        """Restore the state that :meth:`save` wrote.

        Raises:
            UsageError: The run was started with another arch, dataset, option or recipe.
            IntegrityError: The file is truncated or not such a state.
        """
        device = str(next(self.model.parameters()).device)
        try:
            with safe_open(path, framework="pt", device=device) as stored:
                metadata = stored.metadata() or {}
                identity, counters = json.loads(metadata["identity"]), json.loads(metadata["counters"])
                _same_identity(path, identity, self.identity)
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            for prefix, module in (("model", self.model), ("average", self.average)):
                module.load_state_dict(
                    {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
                )
            for index, parameter in enumerate(_parameters(self.optimizer)):
                if f"momentum.{index}" in tensors:
                    momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{index}"])
                    self.optimizer.state[parameter]["momentum_buffer"] = momentum
            self.counters = Counters(**counters)
        except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise IntegrityError(
                f"{path} is not a training state of this network: {error!s:.200}.",
                fix="Start again without --resume, in another folder.",
            ) from error


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _same_identity(path: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    wanted = json.loads(json.dumps(wanted))
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
