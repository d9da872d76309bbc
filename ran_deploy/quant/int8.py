"""``quantize_int8``: from a float32 ONNX file to an INT8 one, calibrated on real images, with the proof beside it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from ran_deploy.config import to_mapping
from ran_deploy.manifest import Manifest, Parent, Precision, publish, reusable, stage_key
from ran_deploy.optional import require
from ran_deploy.quant.accuracy import Evaluation, prove_accuracy
from ran_deploy.quant.calibrate import Method
from ran_deploy.quant.compute import compute_types, types_by_node
from ran_deploy.quant.int8_gate import check_int8
from ran_deploy.quant.int8_plan import DEFAULT_METHODS, Backend, HighPrecision, Int8Plan
from ran_deploy.quant.modelopt import modelopt_int8
from ran_deploy.quant.observed import used_versions
from ran_deploy.quant.placement import require_nodes
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.qdq import require_half_scales
from ran_deploy.quant.quantize import QuantizeResult
from ran_deploy.quant.ranges import RANGE_MARGIN
from ran_deploy.quant.source import float32_source
from ran_deploy.quant.subset import DEFAULT_SAMPLES, Subset, choose_subset, open_calibration_data
from ran_deploy.quant.variants import int8_variants
from ran_deploy.runtime.onnx_file import load_onnx


def quantize_int8(
    onnx_path: Path,
    *,
    calib_dataset: str | None = None,
    calib_data: Path | None,
    samples: int = DEFAULT_SAMPLES,
    method: Method | None = None,
    seed: int = 0,
    high_precision: HighPrecision = "fp32",
    keep: frozenset[str] = frozenset(),
    classifier: bool = False,
    backend: Backend = "own",
    evaluation: Evaluation | None = None,
    auto: Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> QuantizeResult:
    """Quantize a float32 model to INT8 with Q/DQ nodes, by ranges observed on real training images.

    Ranges are cached by content. The result is compared with the float32 model on the calibration images.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        calib_dataset: One of :data:`ran_deploy.quant.subset.CALIBRATION_DATASETS`; None: the model's own.
        calib_data: The folder with its images; there is no substitute for real ones.
        samples: How many of them.
        method: How the range of an activation is chosen: see :func:`ran_deploy.quant.calibrate.calibrate`;
            None: the backend's default.
        seed: Seed of the choice of images.
        high_precision: What is not INT8 is this.
        keep: Nodes that stay in that precision.
        classifier: Whether the classifier becomes INT8 as well; ModelOpt decides by itself.
        backend: What places Q/DQ: "own", or "modelopt", NVIDIA's tool.
        evaluation: Labelled images of an accuracy gate, other than those of the calibration; None: no such gate.
        auto: How ``keep`` was found, for the manifest: see :func:`ran_deploy.quant.auto.quantize_auto`.
        out: The result's path; None: beside the source, with ``_int8`` in its name.

    Raises:
        UsageError: The file is not a float32 model with a manifest, or there are not enough real images.
        IntegrityError: The file or an image is damaged.
        GateError: The INT8 model is not finite, answers otherwise than the float32 one, or loses too much accuracy;
            nothing is written.
        MissingError: ONNX Runtime is not installed.
    """
    started_s = time.monotonic()
    plan = Int8Plan(
        method=method or DEFAULT_METHODS.get(backend, "percentile"),
        high_precision=high_precision,
        keep=keep,
        classifier=classifier,
        backend=backend,
        auto=auto,
    )
    source, path = float32_source(onnx_path, out, "int8")
    require("onnxruntime", "ran-deploy quantize")
    dataset = open_calibration_data(calib_dataset or source.dataset or "folder", calib_data, source.contract)
    subset = choose_subset(dataset, samples, seed)
    described = _described(onnx_path, source, subset, plan, evaluation)
    if (manifest := reusable(path, described.key)) is not None:
        return _result(path, manifest, started_s, reused=True)
    model = prepare(load_onnx(onnx_path))
    quantized = _quantized(model, source, subset, plan)
    parity = check_int8(
        model, quantized, source.contract, subset, halves=high_precision == "fp16", trained=source.weights == "trained"
    )
    accuracy = prove_accuracy(model, quantized, source, "int8", evaluation)
    types = types_by_node(quantized)
    content = quantized.SerializeToString()
    manifest = publish(
        path,
        content,
        replace(
            described,
            precision=Precision(
                asked="int8",
                obtained=compute_types(quantized),
                kept=tuple(name for name, kind in types.items() if kind != "int8"),
            ),
            parity={"reference": onnx_path.name, "source": "calibration", **to_mapping(parity)},
            accuracy=accuracy,
        ),
    )
    return _result(path, manifest, started_s, reused=False)


def _quantized(model: onnx.ModelProto, source: Manifest, subset: Subset, plan: Int8Plan) -> onnx.ModelProto:
    if plan.high_precision == "fp16":
        require_half_scales(model)
    if plan.backend == "modelopt":
        return modelopt_int8(
            model,
            source.contract,
            subset,
            method=plan.method,
            high_precision=plan.high_precision,
            keep=plan.keep,
        )
    require_nodes(model, plan.keep)
    # Whatever is kept, the whole model's ranges are observed: one cache entry serves every choice.
    variants = int8_variants(model, source, subset, plan.method, classifier=plan.classifier)
    return variants.build(plan.keep, halves=plan.high_precision == "fp16")


def _described(
    onnx_path: Path,
    source: Manifest,
    subset: Subset,
    plan: Int8Plan,
    evaluation: Evaluation | None,
) -> Manifest:
    """The result's manifest as far as it is known before the work, above all its key."""
    used, dataset, settings = used_versions(), subset.dataset, plan.settings()
    inputs = {
        "onnx": source.sha256,
        "images": subset.digest,
        "margin": RANGE_MARGIN,
        "evaluation": evaluation,
        **settings,
    }
    return replace(
        source,
        parents=(
            Parent(role="onnx", name=onnx_path.name, sha256=source.sha256),
            Parent(role="calibration", name=f"{dataset.info.name} {dataset.split}", sha256=subset.digest),
        ),
        key=stage_key("quantize", inputs, used),
        calibration={
            "dataset": dataset.info.name,
            "split": dataset.split,
            "count": len(subset),
            "seed": subset.seed,
            **settings,
            "onnx_sha256": source.sha256,
            "set_sha256": subset.digest,
            "images_sha256": list(subset.digests),
        },
        accuracy=None,
        versions=used,
        command="",
    )


def _result(path: Path, manifest: Manifest, started_s: float, *, reused: bool) -> QuantizeResult:
    elapsed_s = time.monotonic() - started_s
    return QuantizeResult(
        path=path, manifest=manifest, parity=manifest.parity or {}, reused=reused, elapsed_s=elapsed_s
    )
