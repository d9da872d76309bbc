"""``quantize_auto``: INT8 where it is harmless, and float where the accuracy needs it, by measurement."""

import time
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.manifest import Manifest, stage_key, verified_manifest
from ran_deploy.optional import require
from ran_deploy.quant.accuracy import Evaluation
from ran_deploy.quant.auto_search import Judge, Trial, fewest
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.groups import Grouping
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.int8_plan import DEFAULT_METHODS, HighPrecision, Int8Plan
from ran_deploy.quant.observed import used_versions
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.quantize import QuantizeResult
from ran_deploy.quant.ranking import GroupCost, SensitivityPlan, default_images, rank
from ran_deploy.quant.source import float32_source
from ran_deploy.quant.subset import hold_out
from ran_deploy.quant.variants import int8_variants
from ran_deploy.runtime.onnx_file import load_onnx


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoChoice:
    """What was left in float, and why."""

    grouping: Grouping
    groups: tuple[str, ...]
    """The groups given back, the costliest first; none where INT8 throughout is good enough."""
    nodes: tuple[str, ...]
    """Their nodes."""
    trials: tuple[Trial, ...]
    """In the order of the search."""
    key: str
    """Digest of what the choice depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoResult(QuantizeResult):
    """An INT8 model of which some groups were left in float."""

    auto: AutoChoice


def quantize_auto(
    onnx_path: Path,
    calibration: CalibrationOptions,
    *,
    high_precision: HighPrecision = "fp32",
    classifier: bool = False,
    evaluation: Evaluation | None = None,
    group: Grouping = "unit",
    images: int | None = None,
    out: Path | None = None,
) -> AutoResult:
    """Quantize to INT8, and give the costliest groups back to float until the gate holds.

    The order is that of :func:`ran_deploy.quant.sensitivity.sensitivity`; the count is doubled until the gate holds
    and then bisected. The gate: the accuracy on ``evaluation``, or else the same top-1 class as float32 on 98% of
    calibration images that the ranges were not observed on.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        calibration: The images that ranges are observed on; a calibration file would leave none to measure on.
        high_precision: What is not INT8 is this.
        classifier: Whether the classifier becomes INT8 as well.
        evaluation: Labelled images of the accuracy gate.
        group: What is given back at a time.
        images: Held-out images that costs and agreement are measured on; None: 128, or 32 that are large.
        out: The result's path; None: beside the source, with ``_int8`` in its name.

    Raises:
        UsageError: As :func:`ran_deploy.quant.int8.quantize_int8`, or too few images for a held-out part.
        IntegrityError: The file or an image is damaged.
        GateError: The gate does not hold even with all groups but one in float; the details hold the trials.
        MissingError: ONNX Runtime is not installed.
    """
    started_s = time.monotonic()
    # The checks of a plan, before any work.
    if calibration.file is not None or calibration.save is not None:
        raise UsageError(
            "--auto measures what to keep on calibration images; it neither takes nor gives a calibration file.",
            fix="Give --calib-data DIR only.",
        )
    plan = Int8Plan(
        method=calibration.method or DEFAULT_METHODS["own"],
        high_precision=high_precision,
        keep=frozenset(),
        classifier=classifier,
        backend="own",
    )
    source, path = float32_source(onnx_path, out, "int8")
    require("onnxruntime", "ran-deploy quantize --auto")
    observed = calibration.open_images(source, plan.method)
    ranking = SensitivityPlan(
        source=source,
        subset=observed.subset,
        held_out=hold_out(observed.subset, images or default_images(source.contract)),
        method=plan.method,
        grouping=group,
        precision="int8",
        classifier=classifier,
    )
    inputs = {"ranking": ranking.key(), "evaluation": evaluation, **plan.settings()}
    key = stage_key("quantize-auto", inputs, used_versions())
    if (found := _existing(path, key, started_s)) is not None:
        return found
    variants = int8_variants(prepare(load_onnx(onnx_path)), source, observed, classifier=classifier)
    judge = Judge(variants, ranking, evaluation, halves=high_precision == "fp16")
    groups: tuple[GroupCost, ...] = ()
    if not judge(()):
        file = path.with_name(f"{onnx_path.stem}_sensitivity.json")
        groups = fewest(rank(lambda: variants, ranking, name=str(onnx_path), path=file).groups, judge)
    choice = AutoChoice(
        grouping=group,
        groups=tuple(row.group for row in groups),
        nodes=tuple(node for row in groups for node in row.nodes),
        trials=tuple(judge.trials),
        key=key,
    )
    made = quantize_int8(
        onnx_path,
        calibration,
        high_precision=high_precision,
        keep=frozenset(choice.nodes),
        classifier=classifier,
        evaluation=evaluation,
        auto=to_mapping(choice),
        out=path,
    )
    return _result(path, made.manifest, choice, started_s, reused=False)


def _existing(path: Path, key: str, started_s: float) -> AutoResult | None:
    """Return the result that is there already, if it was made by the same search."""
    try:
        manifest = verified_manifest(path) if path.is_file() and path.stat().st_size else None
        noted = ((manifest.calibration or {}).get("auto") or {}) if manifest is not None else {}
        if manifest is None or noted.get("key") != key:
            return None
        choice = from_mapping(AutoChoice, noted, where=str(path))
    except (RanDeployError, AttributeError):
        return None
    return _result(path, manifest, choice, started_s, reused=True)


def _result(path: Path, manifest: Manifest, choice: AutoChoice, started_s: float, *, reused: bool) -> AutoResult:
    return AutoResult(
        path=path,
        manifest=manifest,
        parity=manifest.parity or {},
        reused=reused,
        elapsed_s=time.monotonic() - started_s,
        auto=choice,
    )
