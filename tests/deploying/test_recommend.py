"""Which engine is recommended, on measurements that are changed by hand."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.bench.pareto_result import ParetoResult
from ran_deploy.deploying.options import Objective, PrecisionName
from ran_deploy.deploying.recommend import recommend
from ran_deploy.deploying.result import Recommendation, SloResult, Variant
from tests.deploying.measured import measured_result

FOLDER = Path("out")


def made(
    speeds: Mapping[str, tuple[float, ...]], *, large: Mapping[str, tuple[float, ...]] | None = None, top1: float = 50.0
) -> tuple[list[Variant], ParetoResult]:
    """The two measured variants, as float32 and INT8, with these milliseconds in each round."""
    result = measured_result()
    assert result.pareto is not None
    precisions: tuple[PrecisionName, ...] = ("fp32", "int8")
    points, variants = [], []
    for (name, rounds), precision, point, variant in zip(
        speeds.items(), precisions, result.pareto.points, result.variants, strict=False
    ):
        images = tuple(1000 / ms for ms in (large or speeds)[name])
        points.append(
            replace(
                point,
                name=name,
                latency=replace(point.latency, p50_ms=sorted(rounds)[2], round_p50_ms=rounds),
                throughput=replace(point.throughput, images_per_s=images[2], round_images_per_s=images),
            )
        )
        assert variant.accuracy is not None
        variants.append(
            replace(
                variant,
                name=name,
                precision=precision,
                status="passed",
                slo=None,
                accuracy=replace(variant.accuracy, top1=top1),
            )
        )
    return variants, replace(result.pareto, points=tuple(points))


def ask(variants: list[Variant], pareto: ParetoResult | None, objective: Objective = "latency") -> Recommendation:
    return recommend(variants, pareto, objective, FOLDER)


SLOW, FAST = (4.0, 4.1, 4.0, 4.2, 4.1), (2.0, 2.1, 2.0, 2.0, 2.1)
SAME = (3.9, 4.2, 3.9, 4.3, 4.0)


def test_the_fastest_is_recommended() -> None:
    variants, pareto = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    found = ask(variants, pareto)
    assert found.variant == "a_int8, onnxruntime"
    assert found.reasons[0].startswith("a_int8, onnxruntime has the lowest latency at batch 1")
    assert found.sentence.startswith("Deploy out/")
    assert "50.00% top-1" in found.sentence
    assert found.next_command.startswith("ran-deploy serve --engine out/")


def test_int8_that_is_not_surely_faster_gives_way_to_float32() -> None:
    variants, pareto = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": SAME})
    found = ask(variants, pareto)
    assert found.variant == "a, onnxruntime"
    assert "not slower beyond doubt, and computes in a higher precision" in found.reasons[0]


def test_the_objective_decides() -> None:
    speeds = {"a, onnxruntime": FAST, "a_int8, onnxruntime": SLOW}
    variants, pareto = made(speeds, large={"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    assert ask(variants, pareto, "latency").variant == "a, onnxruntime"
    found = ask(variants, pareto, "throughput")
    assert found.variant == "a_int8, onnxruntime"
    assert "images/s at batch" in found.sentence


def test_what_was_rejected_is_not_recommended_and_the_reason_is_given() -> None:
    variants, pareto = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    variants[1] = replace(variants[1], status="rejected", reason="it loses 3 points")
    found = ask(variants, pareto)
    assert found.variant == "a, onnxruntime"
    assert found.reasons[1] == "a_int8, onnxruntime: it loses 3 points"


def test_the_reference_is_no_candidate() -> None:
    variants, pareto = made({"a, onnxruntime": FAST, "a_int8, onnxruntime": SLOW})
    variants[0] = replace(variants[0], status="reference")
    found = ask(variants, pareto)
    assert found.variant == "a_int8, onnxruntime"
    assert found.reasons == ("a_int8, onnxruntime is the only engine that holds what was asked for.",)


def test_none_holds_what_was_asked_for() -> None:
    variants, pareto = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    missed = [
        SloResult(slo_ms=1, percentile=99, measured_ms=ms, batch=1, held=False, text=f"misses 1 ms: p99 is {ms} ms")
        for ms in (4.2, 2.1)
    ]
    variants = [
        replace(variant, status="rejected", reason=slo.text, slo=slo)
        for variant, slo in zip(variants, missed, strict=True)
    ]
    found = ask(variants, pareto)
    assert found.variant is None
    assert found.sentence == (
        "None of the 2 engines asked for can be recommended. The nearest is a_int8, onnxruntime, which misses 1 ms: "
        "p99 is 2.1 ms."
    )


def test_plans_that_were_only_built() -> None:
    variants, _ = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    waiting = [replace(variant, status="not-run", runtime="tensorrt-rtx", reason="built") for variant in variants]
    found = ask(waiting, None)
    assert found.variant is None
    assert "2 engines are built and none of them runs on this machine" in found.sentence
    assert found.next_command.startswith("ran-deploy bench --engine out/")


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_without_a_front_the_benchmarks_decide(objective: Objective) -> None:
    variants, _ = made({"a, onnxruntime": SLOW, "a_int8, onnxruntime": FAST})
    found = ask([replace(variant, accuracy=None, paired=None) for variant in variants], None, objective)
    assert found.variant is not None
    assert "accuracy was not measured" in found.sentence
