"""Where the weights of an export come from: a given checkpoint, the shipped one, or random numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Parent, verified_manifest
from ran_deploy.resources import shipped_weights

_SEED = 20170426


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A network with its weights, in evaluation mode, and what is known of them."""

    network: nn.Module
    labels: tuple[str, ...]
    options: dict[str, Any]
    weights: Literal["trained", "random"]
    parents: tuple[Parent, ...]
    digest: str
    """Changes whenever the weights change."""


def load_source(
    arch: str,
    dataset: str,
    *,
    checkpoint: Path | None,
    random_weights: bool,
    options: Mapping[str, Any] | None,
) -> Source:
    """Load the checkpoint that was given, else the shipped one, or make random weights where asked to.

    Raises:
        UsageError: No weights ship for the network, or the checkpoint is for another one.
        IntegrityError: The checkpoint is damaged.
    """
    if random_weights:
        if checkpoint is not None:
            raise UsageError("Both a checkpoint and --random-weights were given.", fix="Give one of them.")
        return _random(arch, dataset, dict(options or {}))
    if options:
        raise UsageError(
            "The network's options come from its checkpoint.", fix="Leave them out, or use random weights."
        )
    path = checkpoint or shipped_weights(arch, dataset)
    if path is None:
        _refuse_unknown(arch, dataset)
        raise UsageError(
            f"No weights ship for {arch} on {dataset}.",
            fix="Give your own with --checkpoint, or add --random-weights to try the path without training.",
        )
    return _trained(arch, dataset, path)


def _trained(arch: str, dataset: str, path: Path) -> Source:
    _refuse_unknown(arch, dataset)
    verified_manifest(path)
    network, info = load_checkpoint(path)
    if (info.arch, info.dataset) != (arch, dataset):
        raise UsageError(
            f"{path} is a checkpoint of {info.arch} for {info.dataset}; {arch} for {dataset} was asked for.",
            fix=f"Use --arch {info.arch} --dataset {info.dataset}, or another checkpoint.",
        )
    digest = sha256_file(path)
    return Source(
        network=network,
        labels=info.labels,
        options=info.options,
        weights="trained",
        parents=(Parent(role="checkpoint", name=path.name, sha256=digest),),
        digest=digest,
    )


def _refuse_unknown(arch: str, dataset: str) -> None:
    with torch.device("meta"):  # nothing is computed
        create_model(arch, dataset)


def _random(arch: str, dataset: str, options: dict[str, Any]) -> Source:
    info = dataset_info(dataset)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(_SEED)
        network = create_model(arch, dataset, **options).train()
        # Batch statistics as after training; with the initial ones activations would grow from unit to unit.
        size = min(info.size, 64)
        for _ in range(6):
            network(torch.randn(4, 3, size, size))
    return Source(
        network=network.eval(),
        labels=info.labels or tuple(str(index) for index in range(info.classes)),
        options=options,
        weights="random",
        parents=(),
        digest=f"random {_SEED}",
    )
