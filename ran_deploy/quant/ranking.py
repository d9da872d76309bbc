"""The ranking of a network's groups by what the quantization of each alone costs, one measurement after another."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ran_deploy.config import from_mapping
from ran_deploy.errors import RanDeployError
from ran_deploy.graph.parity import compare_logits
from ran_deploy.json_files import write_json
from ran_deploy.manifest import Contract, Manifest, stage_key
from ran_deploy.progress import Progress
from ran_deploy.quant.calibrate import Method
from ran_deploy.quant.groups import Grouping, Part, grouped, part_of
from ran_deploy.quant.observed import engine_inputs, method_settings, used_versions
from ran_deploy.quant.sensitivity_state import Cost, SensitivityState
from ran_deploy.quant.subset import Subset
from ran_deploy.quant.trial import SMALL_PIXELS, logits_of
from ran_deploy.quant.variants import LowPrecision, Variants

_NOTHING, _EVERYTHING = "(nothing)", "(everything)"
_GROUPING_VERSION = 2
"""Counted up where nodes are put into groups in another way: 2 has the stem in a group of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCost:
    """What it costs to quantize one group of nodes and nothing else."""

    group: str
    part: Part
    nodes: tuple[str, ...]
    """The nodes whose inputs are quantized."""
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityResult:
    """The groups of a network, the costliest first."""

    path: str
    """The JSON file that holds this."""
    onnx: str
    onnx_sha256: str
    precision: LowPrecision
    method: str
    """How INT8 ranges were chosen."""
    grouping: Grouping
    calibration: str
    """Dataset and split."""
    samples: int
    """Images that the ranges were observed on."""
    images: int
    """Others, that the costs were measured on."""
    seed: int
    nothing: Cost
    """With nothing quantized: what the measurement itself adds."""
    everything: Cost
    """With everything quantized."""
    groups: tuple[GroupCost, ...]
    key: str
    """Digest of whatever determines the costs."""
    elapsed_s: float
    reused: bool = False
    """Whether the file was there already, made from the same inputs."""
    schema: Literal["ran-deploy.sensitivity/v1"] = "ran-deploy.sensitivity/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityPlan:
    """What determines a ranking."""

    source: Manifest
    subset: Subset
    held_out: Subset
    method: Method
    grouping: Grouping
    precision: LowPrecision
    classifier: bool

    def key(self) -> str:
        """Digest it."""
        inputs = {
            "onnx": self.source.sha256,
            "images": self.subset.digest if self.precision == "int8" else "",
            "held_out": self.held_out.digest,
            "grouping": f"{self.grouping}/{_GROUPING_VERSION}",
            "precision": self.precision,
            "classifier": self.classifier,
            **method_settings(self.method),
        }
        return stage_key("sensitivity", inputs, used_versions())


def rank(make: Callable[[], Variants], plan: SensitivityPlan, *, name: str, path: Path) -> SensitivityResult:
    """Measure what is not measured yet, and write the ranking.

    Args:
        make: Prepares the network's partly quantized forms; not called where the result is there already.
        plan: What determines the ranking.
        name: What the result calls the model.
        path: The result's file; measurements so far are in ``<path>.state.jsonl``.
    """
    started_s, key = time.monotonic(), plan.key()
    if (found := _existing(path, key)) is not None:
        return found
    variants = make()
    homes = variants.homes()
    groups = grouped(homes, plan.grouping)
    everything = frozenset(node.name for node in variants.model.graph.node)
    keeps = {_NOTHING: everything, _EVERYTHING: frozenset[str]()}
    keeps |= {group: everything - frozenset(nodes) for group, nodes in groups.items()}
    state = SensitivityState(path.with_name(f"{path.name}.state.jsonl"), key)
    _measure(variants, keeps, state, plan)
    costs = state.costs
    rows = [
        GroupCost(group=group, part=part_of(homes[nodes[0]]), nodes=nodes, cost=costs[group])
        for group, nodes in groups.items()
    ]
    result = SensitivityResult(
        path=str(path),
        onnx=name,
        onnx_sha256=plan.source.sha256,
        precision=plan.precision,
        method=plan.method,
        grouping=plan.grouping,
        calibration=f"{plan.subset.dataset.info.name} {plan.subset.dataset.split}",
        samples=len(plan.subset),
        images=len(plan.held_out),
        seed=plan.subset.seed,
        nothing=costs[_NOTHING],
        everything=costs[_EVERYTHING],
        groups=tuple(sorted(rows, key=lambda row: (-row.cost.not_finite, row.cost.sqnr_db))),
        key=key,
        elapsed_s=time.monotonic() - started_s,
    )
    write_json(path, result)
    state.remove()
    return result


def default_images(contract: Contract) -> int:
    """Return how many images costs are measured on, by their size."""
    return 128 if contract.preprocessing.size <= SMALL_PIXELS else 32


def _measure(
    variants: Variants, keeps: dict[str, frozenset[str]], state: SensitivityState, plan: SensitivityPlan
) -> None:
    left = [name for name in keeps if name not in state.costs]
    if not left:
        return
    contract = plan.source.contract
    inputs = list(engine_inputs(contract, plan.held_out))
    expected = logits_of(variants.model, contract, inputs)
    with Progress("sensitivity", len(left), "groups") as progress:
        for name in left:
            metrics = compare_logits(expected, logits_of(variants.judged(keeps[name]), contract, inputs))
            cost = Cost(
                sqnr_db=metrics.sqnr_db, flips=metrics.flips, max_abs=metrics.max_abs, not_finite=metrics.not_finite
            )
            state.add(name, cost)
            progress.advance(1, name)


def _existing(path: Path, key: str) -> SensitivityResult | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = from_mapping(SensitivityResult, document, where=str(path))
    except (OSError, ValueError, RecursionError, RanDeployError):
        return None
    return replace(found, path=str(path), reused=True) if found.key == key else None
