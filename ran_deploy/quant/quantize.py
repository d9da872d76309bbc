"""From a float32 ONNX file to one of lower precision, with the proof that it still answers the same."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from ran_deploy import __version__
from ran_deploy.config import to_mapping
from ran_deploy.data.probes import Probes
from ran_deploy.errors import GateError
from ran_deploy.graph.parity import ParityMetrics, compare_logits
from ran_deploy.manifest import Manifest, Parent, Precision, publish, reusable, stage_key
from ran_deploy.optional import require, versions
from ran_deploy.progress import Progress
from ran_deploy.quant.accuracy import Evaluation, prove_accuracy
from ran_deploy.quant.compute import compute_types
from ran_deploy.quant.fp16 import to_fp16, weight_report
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.ranges import RANGE_MARGIN, observe_ranges, out_of_range
from ran_deploy.quant.simulate import rounding_model
from ran_deploy.quant.source import float32_source
from ran_deploy.quant.trial import logits_of, probe_batches, trial_probes
from ran_deploy.runtime.onnx_file import load_onnx

FP16_LEAST_SQNR_DB = 30.0
FP16_LEAST_AGREEMENT = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """A model of lower precision and what is known of it."""

    path: Path
    manifest: Manifest
    parity: dict[str, Any]
    """Agreement of the model with its float32 parent."""
    reused: bool
    """Whether the file was there already, made from the same inputs."""
    elapsed_s: float


def quantize_fp16(
    onnx_path: Path, *, out: Path | None = None, samples: Path | None = None, evaluation: Evaluation | None = None
) -> QuantizeResult:
    """Convert a float32 model to float16 and prove that it still answers the same.

    The float32 model is run first: nodes whose activations come near the end of float16's range, or whose weights
    leave it, stay in float32 and are named in the manifest. Inputs and outputs keep their types.

    Args:
        onnx_path: A float32 ``.onnx`` file of ran-deploy, with its manifest beside it.
        out: The result's path; None: beside it, with ``_fp16`` in its name.
        samples: A folder of images to try it on; None: generated images.
        evaluation: Labelled images of an accuracy gate; None: no such gate.

    Raises:
        UsageError: The file has no manifest or is not float32, or the folder holds no image.
        IntegrityError: The file or an image is damaged.
        GateError: The float16 model is not finite, disagrees with the float32 one, or loses too much accuracy;
            nothing is written.
        MissingError: ONNX Runtime is not installed.
    """
    started_s = time.monotonic()
    source, path = float32_source(onnx_path, out, "fp16")
    require("onnxruntime", "ran-deploy quantize")
    probes = trial_probes(source.contract, samples)
    inputs = {
        "onnx": source.sha256,
        "precision": "fp16",
        "images": probes.digest(),
        "margin": RANGE_MARGIN,
        "evaluation": evaluation,
    }
    used = {"ran-deploy": __version__, **versions("onnx", "onnxruntime")}
    key = stage_key("quantize", inputs, used)
    if (manifest := reusable(path, key)) is not None:
        elapsed_s = time.monotonic() - started_s
        return QuantizeResult(
            path=path, manifest=manifest, parity=manifest.parity or {}, reused=True, elapsed_s=elapsed_s
        )
    model = prepare(load_onnx(onnx_path))
    with Progress("ranges", probes.count, "images") as progress:
        hot = out_of_range(model, observe_ranges(model, probe_batches(probes), advance=progress.advance))
    converted = to_fp16(model, frozenset(hot))
    weights = weight_report(model)
    parity = _gate(model, converted, probes)
    kept = tuple(node.name for node in model.graph.node if node.name in {*hot, *weights.overflowing})
    accuracy = prove_accuracy(model, converted, source, "fp16", evaluation)
    content = converted.SerializeToString()
    manifest = publish(
        path,
        content,
        replace(
            source,
            precision=Precision(asked="fp16", obtained=compute_types(converted), kept=kept),
            parents=(Parent(role="onnx", name=onnx_path.name, sha256=source.sha256),),
            key=key,
            parity={
                "reference": onnx_path.name,
                "arithmetic": "float16 rounding after each node, float32 sums",
                "source": probes.source,
                **to_mapping(parity),
                "range_margin": RANGE_MARGIN,
                "largest_kept": max((value for value in hot.values() if math.isfinite(value)), default=None),
                "weights_underflowing": weights.underflowing,
                "weights_subnormal": weights.subnormal,
            },
            accuracy=accuracy,
            versions=used,
            command="",
        ),
    )
    elapsed_s = time.monotonic() - started_s
    return QuantizeResult(path=path, manifest=manifest, parity=manifest.parity or {}, reused=False, elapsed_s=elapsed_s)


def _gate(reference: onnx.ModelProto, candidate: onnx.ModelProto, probes: Probes) -> ParityMetrics:
    """Compare on all images: the float32 model, and the float16 one with the rounding that a GPU would do."""
    expected = logits_of(reference, probes.contract, probe_batches(probes))
    metrics = compare_logits(expected, logits_of(rounding_model(candidate), probes.contract, probe_batches(probes)))
    allowed = max(1, int(metrics.images * (1 - FP16_LEAST_AGREEMENT)))
    if metrics.not_finite:
        raise GateError(
            f"In float16 arithmetic, or in float32 already, {metrics.not_finite} of {metrics.images} images are "
            "answered with infinity or NaN.",
            fix="Check the float32 model with `ran-deploy verify`; its own activations may overflow.",
            details=to_mapping(metrics),
        )
    if metrics.sqnr_db < FP16_LEAST_SQNR_DB or metrics.flips > allowed:
        raise GateError(
            f"The float16 model disagrees with the float32 one: SQNR {metrics.sqnr_db:.1f} dB (at least "
            f"{FP16_LEAST_SQNR_DB:.0f} expected), {metrics.flips} of {metrics.images} top-1 answers changed "
            f"(at most {allowed}).",
            fix="Use the float32 file, or try real images with --samples.",
            details=to_mapping(metrics),
        )
    return metrics
