"""One optimizer step: forward, loss and backward of each part, then the update."""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from ran_deploy.train.device import autocast_type, use_compile
from ran_deploy.train.group import Group
from ran_deploy.train.inputs import Part
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.sync_norm import synchronize

_NEWER = "forward_sync_buffers" in inspect.signature(DistributedDataParallel.__init__).parameters
_NO_BROADCAST: dict[str, Any] = {"forward_sync_buffers" if _NEWER else "broadcast_buffers": False}
"""DistributedDataParallel's option by its newer name, or by the older one, which newer versions warn of."""


class Stepper:
    """Trains a network in place, step by step.

    The parts of a step give the gradient of the whole batch, up to rounding; only batch normalization sees the part
    and not the whole. Several processes share each part: their gradients are averaged, and batch normalization sees
    all of the part.

    Args:
        model: The network, on its device.
        optimizer: What updates it.
        scaler: Scales the loss for float16; not enabled for other types.
        recipe: How to train.
        group: The processes.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        recipe: Recipe,
        group: Group,
    ) -> None:
        self._model, self._optimizer, self._scaler = model, optimizer, scaler
        self._device = next(model.parameters()).device
        self._type = autocast_type(recipe, self._device)
        self._together: DistributedDataParallel | None = None
        if group.size > 1:
            synchronize(model, group)
            # Running statistics need no broadcast: every process computes them from the same exchange.
            self._together = DistributedDataParallel(model, **_NO_BROADCAST)
        self._forward: Callable[[Tensor], Tensor] = self._together or model
        if use_compile(recipe, self._device, group):
            self._forward = torch.compile(model)

    def step(self, parts: Sequence[Part], lr: float) -> Tensor:
        """Make one update with the learning rate ``lr``.

        Returns:
            float64 [2], on the device: the mean loss of this process's images, and how many of them were right.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        seen = torch.zeros(2, dtype=torch.float64, device=self._device)
        for place, part in enumerate(parts):
            with self._exchange_after(last=place == len(parts) - 1):
                logits = self.logits(self._forward, part.inputs).float()
                loss = functional.cross_entropy(logits, part.labels) / len(parts)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            right = (logits.detach().argmax(1) == part.labels.argmax(1)).sum()
            seen += torch.stack((loss.detach().double(), right.double()))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return seen

    def logits(self, network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """Return what a network makes of ``inputs`` in the recipe's arithmetic."""
        with torch.autocast(self._device.type, dtype=self._type, enabled=self._type is not None):
            return network(inputs)

    def _exchange_after(self, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients are summed over the parts first; the processes exchange them once."""
        return contextlib.nullcontext() if last or self._together is None else self._together.no_sync()
