"""Which engine to deploy for the latency and the accuracy asked for, and why, in sentences."""

from collections.abc import Sequence
from pathlib import Path

from ran_deploy.bench.pareto_points import ratio_of
from ran_deploy.bench.pareto_result import ParetoPoint, ParetoResult, Plane
from ran_deploy.deploying.context import command, opened_in
from ran_deploy.deploying.options import PLAN_RUNTIMES, Objective
from ran_deploy.deploying.result import Recommendation, Variant

_SIMPLER = {"fp32": 0, "fp16": 1, "int8": 2}
"""Of engines that are equally fast, the one in the higher precision has less that can go wrong."""
_NAMES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino-bf16": "OpenVINO in bfloat16",
    "onnxruntime-cuda": "ONNX Runtime on CUDA",
    "onnxruntime-tensorrt": "ONNX Runtime on TensorRT",
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "TensorRT-RTX",
}


def recommend(
    variants: Sequence[Variant], pareto: ParetoResult | None, objective: Objective, folder: Path
) -> Recommendation:
    """Choose among the variants that were asked for and hold their gates and the SLO.

    The fastest is chosen, at batch 1 ("latency") or at the largest batch ("throughput"). Where another is not slower
    beyond doubt, by the 95% interval over interleaved rounds, the one in the higher precision is preferred, and among
    those the more accurate.

    Args:
        variants: All of them.
        pareto: The interleaved measurement; None: it was not made, and latencies measured one after another decide.
        objective: What counts.
        folder: The deployment's, for the command to type next.
    """
    asked = [variant for variant in variants if variant.status != "reference"]
    passed = [variant for variant in asked if variant.status == "passed"]
    refused = tuple(f"{variant.name}: {variant.reason}" for variant in asked if variant.status != "passed")
    if not passed:
        return _none(asked, refused, folder)
    points = {} if pareto is None else {point.name: point for point in pareto.points}
    fastest = min(passed, key=lambda variant: _cost(variant, points, objective))
    alike = [other for other in passed if other is fastest or not _surely_slower(other, fastest, points, objective)]
    chosen = min(alike, key=lambda variant: (_SIMPLER[variant.precision], -_top1(variant), alike.index(variant)))
    reasons = [_choice(chosen, fastest, passed, objective), *refused]
    return Recommendation(
        variant=chosen.name,
        sentence=_sentence(chosen, points, objective, folder),
        reasons=tuple(reasons),
        next_command=_next(chosen, folder),
    )


def _none(asked: list[Variant], refused: tuple[str, ...], folder: Path) -> Recommendation:
    waiting = [variant for variant in asked if variant.status == "not-run"]
    if waiting and len(waiting) == len(asked):
        sentence = (
            f"{len(waiting)} engines are built and none of them runs on this machine, which has no NVIDIA GPU: take "
            f"{folder} to the machine that will serve and measure there before you choose."
        )
        engine = folder / waiting[-1].engine.name if waiting[-1].engine else folder
        return Recommendation(
            variant=None, sentence=sentence, reasons=refused, next_command=command("bench", "--engine", engine)
        )
    nearest = [variant for variant in asked if variant.slo is not None and not variant.slo.held]
    hint = ""
    if nearest:
        best = min(nearest, key=lambda variant: variant.slo.measured_ms if variant.slo else 0.0)
        hint = f" The nearest is {best.name}, which {best.slo.text if best.slo else ''}."
    return Recommendation(
        variant=None,
        sentence=f"None of the {len(asked)} engines asked for can be recommended.{hint}",
        reasons=refused,
        next_command=command("deploy", "--help", True),
    )


def _plane(objective: Objective) -> Plane:
    return "latency" if objective == "latency" else "throughput"


def _cost(variant: Variant, points: dict[str, ParetoPoint], objective: Objective) -> float:
    """Milliseconds for an image: of one alone, or of one in the largest batch."""
    point = points.get(variant.name)
    if point is not None:
        return point.latency.p50_ms if objective == "latency" else 1000 / point.throughput.images_per_s
    if variant.bench is None:
        return float("inf")
    if objective == "latency":
        return variant.bench.results[0].p50_ms
    return 1000 / max(entry.images_per_s for entry in variant.bench.results)


def _surely_slower(other: Variant, fastest: Variant, points: dict[str, ParetoPoint], objective: Objective) -> bool:
    if other.name not in points or fastest.name not in points:
        return True
    plane = _plane(objective)
    return ratio_of(plane, points[other.name].speed(plane), points[fastest.name].speed(plane)).ci95[1] < 1


def _top1(variant: Variant) -> float:
    return 0.0 if variant.accuracy is None else variant.accuracy.top1


def _choice(chosen: Variant, fastest: Variant, passed: list[Variant], objective: Objective) -> str:
    among = f"the {len(passed)} engines that hold what was asked for" if len(passed) > 1 else "what was asked for"
    what = "the lowest latency at batch 1" if objective == "latency" else "the highest throughput"
    if len(passed) == 1:
        return f"{chosen.name} is the only engine that holds {among}."
    if chosen is fastest:
        return f"{chosen.name} has {what} of {among}."
    return f"{fastest.name} is the fastest of {among}, but {chosen.name} is not slower beyond doubt, and " + (
        "computes in a higher precision." if chosen.precision != fastest.precision else "is at least as accurate."
    )


def _sentence(chosen: Variant, points: dict[str, ParetoPoint], objective: Objective, folder: Path) -> str:
    engine = chosen.engine.name if chosen.engine is not None else chosen.name
    parts = [_speed(chosen, points, objective), _accuracy(chosen)]
    if chosen.slo is not None:
        parts.append(f"it {chosen.slo.text}")
    return f"Deploy {folder / engine} in {_NAMES[chosen.runtime]}: {'; '.join(part for part in parts if part)}."


def _speed(chosen: Variant, points: dict[str, ParetoPoint], objective: Objective) -> str:
    point = points.get(chosen.name)
    if point is None:
        if chosen.bench is None:
            return ""
        first = chosen.bench.results[0]
        return f"{first.p50_ms:.3g} ms at batch {first.batch} (median)"
    speed = point.speed(_plane(objective))
    what = (
        f"{speed.p50_ms:.3g} ms at batch 1 (median)"
        if objective == "latency"
        else f"{speed.images_per_s:,.0f} images/s at batch {speed.batch}"
    )
    if next(iter(points)) == chosen.name:
        return what
    return f"{what}, {speed.ratio.value:.2f} times the speed of float32 in ONNX Runtime"


def _accuracy(chosen: Variant) -> str:
    if chosen.accuracy is None:
        return "its accuracy was not measured, for want of --data"
    text = f"{chosen.accuracy.top1:.2f}% top-1"
    if chosen.paired is None:
        return text
    low, high = chosen.paired.difference_ci95
    text += f", {chosen.paired.difference_points:+.2f} points (95% interval {low:+.2f} to {high:+.2f}) against float32"
    return text if chosen.gate is None else f"{text}, {chosen.gate.max_drop:g} allowed"


def _next(chosen: Variant, folder: Path) -> str:
    engine = folder / (chosen.engine.name if chosen.engine is not None else "")
    runtime = None if chosen.runtime in (*PLAN_RUNTIMES, "onnxruntime") else opened_in(chosen.runtime)
    return command("serve", "--engine", engine, "--runtime", runtime)
