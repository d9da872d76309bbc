"""``sensitivity``: what the quantization of each part of a network costs, the costliest first."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.files import require_writable, write_text
from ran_deploy.graph.parity import compare_logits
from ran_deploy.manifest import Contract, Manifest, stage_key
from ran_deploy.optional import require
from ran_deploy.progress import Progress
from ran_deploy.quant.calibrate import METHODS, Method
from ran_deploy.quant.calibration import ImageCalibration
from ran_deploy.quant.groups import GROUPINGS, Grouping, Part, grouped, part_of
from ran_deploy.quant.observed import engine_inputs, method_settings, used_versions
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.sensitivity_state import Cost, SensitivityState
from ran_deploy.quant.source import source_manifest
from ran_deploy.quant.subset import DEFAULT_SAMPLES, Subset, choose_subset, hold_out, open_calibration_data
from ran_deploy.quant.trial import SMALL_PIXELS, logits_of
from ran_deploy.quant.variants import LowPrecision, Variants, fp16_variants, int8_variants
from ran_deploy.runtime.onnx_file import load_onnx

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


def sensitivity(
    onnx_path: Path,
    *,
    calib_dataset: str | None = None,
    calib_data: Path | None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    method: Method = "percentile",
    precision: LowPrecision = "int8",
    group: Grouping = "unit",
    images: int | None = None,
    classifier: bool = False,
    out: Path | None = None,
) -> SensitivityResult:
    """Rank the parts of a network by what the quantization of each alone costs at the logits.

    One group at a time is quantized and all else stays float32. Ranges come from the cache or are observed once;
    costs are measured on other images of the training split. Each measurement is kept beside the result, so that a
    run that was stopped goes on where it was.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        calib_dataset: One of :data:`ran_deploy.quant.subset.CALIBRATION_DATASETS`; None: the model's own.
        calib_data: The folder with its images.
        samples: Images that ranges are observed on.
        seed: Seed of the choice of images.
        method: How ranges are chosen.
        precision: "int8", or "fp16" in the arithmetic of a GPU.
        group: What is quantized at a time: a residual "unit", a "node", or a "module" such as a whole mask.
        images: Images that costs are measured on; None: 128, or 32 that are large.
        classifier: Whether the classifier counts among what INT8 takes.
        out: The result; None: beside the model, with ``_sensitivity.json`` in its name.

    Raises:
        UsageError: The file is not a float32 model with a manifest, or there are not enough real images.
        IntegrityError: The file or an image is damaged.
        GateError: The float32 model itself gives infinity or NaN.
        MissingError: ONNX Runtime is not installed.
    """
    for value, known in ((group, GROUPINGS), (method, METHODS), (precision, get_args(LowPrecision))):
        if value not in known:
            raise UsageError(f"There is no choice {value!r} here.", fix=f"Use one of {', '.join(known)}.")
    source = source_manifest(onnx_path)
    if source.precision.asked != "fp32":
        raise UsageError(
            f"{onnx_path} is {source.precision.asked} already; sensitivity is measured on the float32 file.",
            fix="Give the file that ran-deploy export wrote.",
        )
    require("onnxruntime", "ran-deploy sensitivity")
    path = onnx_path.with_name(f"{onnx_path.stem}_sensitivity.json") if out is None else out
    require_writable(path)
    subset = choose_subset(
        open_calibration_data(calib_dataset or source.dataset or "folder", calib_data, source.contract), samples, seed
    )
    model = prepare(load_onnx(onnx_path))
    plan = SensitivityPlan(
        source=source,
        subset=subset,
        held_out=hold_out(subset, images or default_images(source.contract)),
        method=method,
        grouping=group,
        precision=precision,
        classifier=classifier,
    )

    def make() -> Variants:
        if precision == "fp16":
            return fp16_variants(model)
        return int8_variants(model, source, ImageCalibration(subset=subset, method=method), classifier=classifier)

    return rank(make, plan, name=str(onnx_path), path=path)


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
    write_text(path, json.dumps(to_mapping(result), indent=2, allow_nan=False) + "\n")
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
