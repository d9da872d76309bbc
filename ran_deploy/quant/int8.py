"""``quantize_int8``: from a float32 ONNX file to an INT8 one, by ranges of real images, with the proof beside it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.files import require_writable
from ran_deploy.manifest import Manifest, Parent, Precision, publish, reusable, stage_key
from ran_deploy.optional import require
from ran_deploy.quant.accuracy import Evaluation, prove_accuracy
from ran_deploy.quant.calibration import Calibration, ImageCalibration
from ran_deploy.quant.calibration_file import checkpoint_of, save_calibration_file
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.compute import compute_types, types_by_node
from ran_deploy.quant.int8_gate import check_int8
from ran_deploy.quant.int8_plan import DEFAULT_METHODS, Backend, HighPrecision, Int8Plan
from ran_deploy.quant.modelopt import modelopt_int8
from ran_deploy.quant.observed import method_settings, used_versions
from ran_deploy.quant.placement import PlacementOptions, place, require_nodes
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.qdq import require_half_scales
from ran_deploy.quant.quantize import QuantizeResult
from ran_deploy.quant.ranges import RANGE_MARGIN
from ran_deploy.quant.source import float32_source
from ran_deploy.quant.variants import int8_variants
from ran_deploy.runtime.onnx_file import load_onnx


def quantize_int8(
    onnx_path: Path,
    calibration: CalibrationOptions,
    *,
    high_precision: HighPrecision = "fp32",
    keep: frozenset[str] = frozenset(),
    classifier: bool = False,
    reduce_range: bool = False,
    backend: Backend = "own",
    evaluation: Evaluation | None = None,
    auto: Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> QuantizeResult:
    """Quantize a float32 model to INT8 with Q/DQ nodes, by ranges observed on real training images.

    The images are given here, or others have shown the ranges and a calibration file holds them; there is no third
    way. Ranges observed here are cached by content. The result is compared with the float32 model.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        calibration: The images, or the calibration file.
        high_precision: What is not INT8 is this.
        keep: Nodes that stay in that precision.
        classifier: Whether the classifier becomes INT8 as well; ModelOpt decides by itself.
        reduce_range: Give weights 7 bits instead of 8. Without VNNI, OpenVINO adds up pairs of INT8 products in 16
            bits, which full weights overflow.
        backend: What places Q/DQ: "own", or "modelopt", NVIDIA's tool.
        evaluation: Labelled images of an accuracy gate, other than those of the calibration; None: no such gate.
        auto: How ``keep`` was found, for the manifest: see :func:`ran_deploy.quant.auto.quantize_auto`.
        out: The result's path; None: beside the source, with ``_int8`` in its name.

    Raises:
        UsageError: The file is not a float32 model with a manifest, there are not enough real images, the calibration
            file is another network's, or options contradict one another.
        IntegrityError: The file, an image or the calibration file is damaged.
        GateError: The INT8 model is not finite, answers otherwise than the float32 one, or loses too much accuracy;
            nothing is written.
        MissingError: ONNX Runtime is not installed.
    """
    started_s = time.monotonic()
    plan = Int8Plan(
        method=calibration.method or DEFAULT_METHODS.get(backend, "percentile"),
        high_precision=high_precision,
        keep=keep,
        classifier=classifier,
        reduce_range=reduce_range,
        backend=backend,
        auto=auto,
    )
    if backend == "modelopt" and (calibration.file is not None or calibration.save is not None):
        raise UsageError(
            "ModelOpt observes ranges by itself; it neither takes nor gives a calibration file.",
            fix="Use --backend own.",
        )
    source, path = float32_source(onnx_path, out, "int8")
    require("onnxruntime", "ran-deploy quantize")
    if calibration.save is not None:
        checkpoint_of(source)
        require_writable(calibration.save)
    calibrated = calibration.open(source, plan.method)
    plan = replace(plan, method=calibrated.method)
    described = _described(onnx_path, source, calibrated, plan, evaluation)
    found = reusable(path, described.key)
    manifest = found or _made(
        onnx_path, path, described, source=source, calibration=calibrated, plan=plan, evaluation=evaluation
    )
    if calibration.save is not None and isinstance(calibrated, ImageCalibration):
        _save(calibration.save, onnx_path, source, calibrated, plan)
    elapsed_s = time.monotonic() - started_s
    return QuantizeResult(
        path=path, manifest=manifest, parity=manifest.parity or {}, reused=found is not None, elapsed_s=elapsed_s
    )


def _made(
    onnx_path: Path,
    path: Path,
    described: Manifest,
    *,
    source: Manifest,
    calibration: Calibration,
    plan: Int8Plan,
    evaluation: Evaluation | None,
) -> Manifest:
    model = prepare(load_onnx(onnx_path))
    quantized = _quantized(model, source, calibration, plan)
    images = calibration.trial(source.contract)
    parity = check_int8(
        model,
        quantized,
        source.contract,
        images,
        halves=plan.high_precision == "fp16",
        trained=source.weights == "trained",
    )
    accuracy = prove_accuracy(model, quantized, source, "int8", evaluation)
    kept = tuple(name for name, kind in types_by_node(quantized).items() if kind != "int8")
    return publish(
        path,
        quantized.SerializeToString(),
        replace(
            described,
            precision=Precision(asked="int8", obtained=compute_types(quantized), kept=kept),
            parity={"reference": onnx_path.name, "source": images.source, **to_mapping(parity)},
            accuracy=accuracy,
        ),
    )


def _quantized(model: onnx.ModelProto, source: Manifest, calibration: Calibration, plan: Int8Plan) -> onnx.ModelProto:
    if plan.high_precision == "fp16":
        require_half_scales(model)
    if plan.backend == "modelopt" and isinstance(calibration, ImageCalibration):
        return modelopt_int8(
            model,
            source.contract,
            calibration.subset,
            method=plan.method,
            high_precision=plan.high_precision,
            keep=plan.keep,
        )
    require_nodes(model, plan.keep)
    # Whatever is kept, the whole model's ranges are observed: one cache entry serves every choice.
    variants = int8_variants(model, source, calibration, classifier=plan.classifier, reduce_range=plan.reduce_range)
    return variants.build(plan.keep, halves=plan.high_precision == "fp16")


def _save(path: Path, onnx_path: Path, source: Manifest, calibration: ImageCalibration, plan: Int8Plan) -> None:
    """Write the ranges for others; they come from the cache, where the model was made a moment ago."""
    model = prepare(load_onnx(onnx_path))
    activations = place(model, PlacementOptions(classifier=plan.classifier)).calibrated()
    save_calibration_file(
        path,
        model=model,
        source=source,
        images=calibration.images(),
        method=method_settings(plan.method),
        ranges=calibration.ranges(model, activations, source),
        versions=used_versions(),
    )


def _described(
    onnx_path: Path,
    source: Manifest,
    calibration: Calibration,
    plan: Int8Plan,
    evaluation: Evaluation | None,
) -> Manifest:
    """The result's manifest as far as it is known before the work, above all its key."""
    used, settings = used_versions(), plan.settings()
    inputs = {
        "onnx": source.sha256,
        "margin": RANGE_MARGIN,
        "evaluation": evaluation,
        **settings,
        **calibration.inputs(),
    }
    return replace(
        source,
        parents=(Parent(role="onnx", name=onnx_path.name, sha256=source.sha256), calibration.parent()),
        key=stage_key("quantize", inputs, used),
        calibration={**settings, **calibration.record(source)},
        accuracy=None,
        versions=used,
        command="",
    )
