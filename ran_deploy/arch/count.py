"""Parameters, multiply-adds and trunk depth of a network, without computing anything."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ran_deploy.arch.network import Branches, MaskBranch
from ran_deploy.arch.registry import arch_entries, create_model, find_entry
from ran_deploy.data.catalog import dataset_info
from ran_deploy.resources import shipped_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchSummary:
    """One row of ``ran-deploy archs``."""

    name: str
    title: str
    """What it is called where it comes from."""
    dataset: str
    classes: int
    input_size: int
    """Height and width of the input, in pixels."""
    params: int
    """Trainable parameters; running statistics of batch normalization are not counted."""
    macs: int
    """Multiply-adds of convolutions and the classifier for one image; the paper calls them FLOPs."""
    trunk_depth: int
    """Weighted layers on the trunk: all but masks and projection shortcuts (paper, section 4.1)."""
    weights: bool
    """Whether trained weights ship with ran-deploy."""


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, size: int) -> int:
    """Return the multiply-adds of convolutions and linear layers for one size × size image."""
    total = 0

    def add(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)  # noqa: S101
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        total += weight.numel() * positions

    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    try:
        with torch.inference_mode(), _ShapesOnly():
            model.eval()(torch.empty(1, 3, size, size, device=next(model.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return total


class _ShapesOnly(TorchFunctionMode):
    """Works out the shapes itself where PyTorch takes long to do it without data.

    That is milliseconds for each normalization, sum or product and a tenth of a second for each upsampling: half a
    minute for all networks.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (functional.batch_norm, functional.relu):
            return args[0]
        if func in (Tensor.add, Tensor.mul):
            shapes = [one.shape for one in args if isinstance(one, Tensor)]
            return args[0].new_empty(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
        if func is functional.interpolate:
            images, factor = args[0], kwargs["scale_factor"]
            return images.new_empty((*images.shape[:2], *(int(side * factor) for side in images.shape[2:])))
        return func(*args, **(kwargs or {}))


def trunk_depth(module: nn.Module) -> int:
    """Return the weighted layers on the trunk: convolutions and dense layers, without masks and shortcuts.

    Of parallel branches the deepest counts.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        return 1
    if isinstance(module, MaskBranch):
        return 0
    depths = [trunk_depth(child) for name, child in module.named_children() if name != "shortcut"]
    return max(depths) if isinstance(module, Branches) else sum(depths)


@functools.cache
def summarize(arch: str, dataset: str) -> ArchSummary:
    """Describe a network as it is built for a dataset.

    Raises:
        UsageError: An unknown arch or dataset.
    """
    info = dataset_info(dataset)
    with torch.device("meta"):
        model = create_model(arch, dataset)
    return ArchSummary(
        name=arch,
        title=find_entry(arch, dataset).title,
        dataset=dataset,
        classes=info.classes,
        input_size=info.size,
        params=count_parameters(model),
        macs=count_macs(model, info.size),
        trunk_depth=trunk_depth(model),
        weights=shipped_weights(arch, dataset) is not None,
    )


def list_archs(arch: str | None = None) -> list[ArchSummary]:
    """Describe every registered network, or ``arch`` only, in each of its layouts."""
    return [summarize(entry.name, entry.home) for entry in arch_entries() if arch in (None, entry.name)]
