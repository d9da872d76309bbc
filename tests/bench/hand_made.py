"""Points of a Pareto run made by hand: their numbers are invented, and never measured."""

from ran_deploy.bench.environment import Environment
from ran_deploy.bench.pareto_result import ParetoOptions, ParetoPoint, ParetoResult, Speed
from ran_deploy.bench.ratio import Ratio
from ran_deploy.runtime.session import SessionInfo

WOBBLE = (1.0, 1.01, 0.99, 1.02, 0.98)


ENVIRONMENT = Environment(
    cpu="Imaginary CPU",
    cpu_features=(),
    cpus=2,
    cores=1,
    governor=None,
    memory_bytes=None,
    os="none",
    python="3.11",
    versions={},
    load_average_1min=0.0,
    gpus=(),
)


def speed(batch: int, p50_ms: float, ratio: float = 1.0, dominated_by: tuple[str, ...] = ()) -> Speed:
    return Speed(
        batch=batch,
        runs=50,
        p50_ms=p50_ms,
        images_per_s=1000 * batch / p50_ms,
        round_p50_ms=tuple(p50_ms * factor for factor in WOBBLE),
        round_images_per_s=tuple(1000 * batch / p50_ms / factor for factor in WOBBLE),
        ratio=Ratio(value=ratio, ci95=(ratio * 0.98, ratio * 1.02)),
        dominated_by=dominated_by,
    )


def point(
    file: str,
    runtime: str,
    asked: str,
    top1: float,
    difference: tuple[float, float, float],
    latency: Speed,
    throughput: Speed,
) -> ParetoPoint:
    return ParetoPoint(
        name=f"{file}, {runtime}",
        session=SessionInfo(
            engine=f"{file}.onnx",
            sha256="0" * 64,
            runtime=runtime,
            provider="CPU",
            device="cpu",
            precision=asked,
            threads=2,
            load_s=0.1,
        ),
        size_bytes=1_000_000,
        asked=asked,
        top1=top1,
        top1_ci95=(top1 - 0.5, top1 + 0.5),
        difference_points=difference[0],
        difference_ci95=(difference[1], difference[2]),
        agreement=99.0,
        latency=latency,
        throughput=throughput,
    )


def result(*points: ParetoPoint) -> ParetoResult:
    return ParetoResult(
        dataset="cifar10",
        split="test",
        samples=10_000,
        points=points,
        absent={},
        remarks=(),
        rule="",
        boundary="",
        order="",
        plot=None,
        options=ParetoOptions(rounds=5),
        environment=ENVIRONMENT,
    )


def seven_points() -> ParetoResult:
    """Two files in two runtimes and more, with dominated points in one plane or both."""
    first, quick, brain = "att92, onnxruntime", "att92_int8_percentile, openvino", "att92, openvino-bf16"
    return result(
        point("att92", "onnxruntime", "fp32", 94.31, (0, 0, 0), speed(1, 10.1), speed(64, 330, 1)),
        point(
            "att92_fp16",
            "onnxruntime",
            "fp16",
            94.30,
            (-0.01, -0.06, 0.04),
            speed(1, 12.8, 0.79, (first,)),
            speed(64, 420, 0.79, (first,)),
        ),
        point(
            "att92_int8_minmax",
            "onnxruntime",
            "int8",
            93.82,
            (-0.49, -0.78, -0.2),
            speed(1, 15.9, 0.64, (first, brain, quick, "att92, openvino")),
            speed(64, 500, 0.66, (first, brain, quick, "att92, openvino")),
        ),
        point("att92", "openvino", "fp32", 94.31, (0, -0.04, 0.04), speed(1, 9.4, 1.07), speed(64, 300, 1.1, (brain,))),
        point("att92", "openvino-bf16", "fp32", 94.29, (-0.02, -0.09, 0.05), speed(1, 6.2, 1.63), speed(64, 137, 2.4)),
        point(
            "att92_int8_minmax",
            "openvino",
            "int8",
            93.80,
            (-0.51, -0.8, -0.22),
            speed(1, 5.6, 1.8, (quick,)),
            speed(64, 127, 2.6, (quick,)),
        ),
        point(
            "att92_int8_percentile",
            "openvino",
            "int8",
            94.12,
            (-0.19, -0.42, 0.04),
            speed(1, 5.5, 1.84),
            speed(64, 126, 2.62),
        ),
    )
