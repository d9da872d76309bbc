"""The result of a deployment of a small network, measured here: float32 and FP16 run, INT8 and a plan did not."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench import benchmark as bench_module
from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.pareto import pareto
from ran_deploy.bench.processes import measure_in_processes
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BenchResult
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.deploying.options import DeployOptions
from ran_deploy.deploying.result import (
    Artefact,
    DeployResult,
    Link,
    Recommendation,
    Samples,
    SloResult,
    Source,
    StageRecord,
    Variant,
)
from ran_deploy.manifest import BatchProfile, Build, Manifest, Parent, read_manifest
from ran_deploy.profiling import measure as profiling_module
from ran_deploy.profiling.profile import profile
from ran_deploy.quant.quantize import quantize_fp16
from ran_deploy.runtime.against import evaluate_against
from ran_deploy.runtime.evaluate import evaluate
from tests.quant.small import publish_model, small_model

CREATED = "2026-11-21T20:00:00+00:00"
LOST = "att92_int8 loses 3.10 points of accuracy; at most 0.5 are allowed."
NO_GPU = "There is no NVIDIA GPU on this machine."
_IMAGES = 40


@functools.cache
def measured_result() -> DeployResult:
    """Return the result; it is measured once, in a second or two."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ran_deploy.bench.pareto.SETTLE_MS", 0)
        for name, value in (("_ROUNDS", 2), ("_SETTLE_MS", 0), ("_PROBE_S", 0.0)):
            patch.setattr(profiling_module, name, value)
        return _deploy(Path(folder), patch)


def _deploy(folder: Path, patch: pytest.MonkeyPatch) -> DeployResult:
    info = dataset_info("synthetic")
    plain = publish_model(small_model(), folder / "net.onnx", contract=make_contract(info, info.labels))
    half = quantize_fp16(plain).path
    points = pareto([plain, half], dataset="synthetic", runtimes=("onnxruntime",), limit=_IMAGES, batch=4, rounds=5,
                    duration_s=0, threads=1)  # fmt: skip
    variants = [_variant(path, plain, patch) for path in (plain, half)]
    variants = [
        replace(
            variant,
            on_latency_front=not point.latency.dominated_by,
            on_throughput_front=not point.throughput.dominated_by,
        )
        for variant, point in zip(variants, points.points, strict=True)
    ]
    return _assemble(folder, [replace(variants[0], status="recommended"), *variants[1:]], points)


def _variant(path: Path, reference: Path, patch: pytest.MonkeyPatch) -> Variant:
    kept: list[Measured] = []

    def keep(request: Any) -> list[Measured]:
        kept.extend(measure_in_processes(request))
        return kept

    patch.setattr(bench_module, "measure_in_processes", keep)
    bench = benchmark(path, batches=(1, 4), warmup_ms=0, duration_s=0, iterations=70, threads=1, against_parent=False)
    manifest = _manifest(path)
    first = path == reference
    against = None if first else evaluate_against(path, reference, "synthetic", limit=_IMAGES, threads=1).against
    return Variant(
        name=f"{path.stem}, onnxruntime",
        precision=manifest.precision.asked,
        runtime="onnxruntime",
        status="passed",
        engine=_artefact(path, manifest),
        obtained=manifest.precision.obtained,
        kept=manifest.precision.kept,
        parity=manifest.parity,
        accuracy=evaluate(path, "synthetic", limit=_IMAGES, threads=1),
        paired=None if against is None else against.paired,
        gate=None if against is None else against.gate,
        bench=bench,
        samples=tuple(_samples(bench, kept)),
        slo=_slo(bench),
        profile=profile(path, batch=2, iterations=4, threads=1),
    )


def _samples(bench: BenchResult, kept: list[Measured]) -> list[Samples]:
    return [
        Samples(
            batch=series.batch,
            boundary=series.boundary,
            count=len(series.spans),
            latencies_ms=tuple(sorted(series.latencies_ms)),
        )
        for series in kept[0].series
    ]


def _slo(bench: BenchResult) -> SloResult:
    p90 = bench.results[0].p90_ms
    assert p90 is not None
    return SloResult(slo_ms=1e6, percentile=90, measured_ms=p90, batch=1, held=True, text="90% within 1000 s: held.")


def _manifest(path: Path) -> Manifest:
    found = read_manifest(path)
    assert found is not None
    return found


def _artefact(path: Path, manifest: Manifest) -> Artefact:
    return Artefact(name=path.name, sha256=manifest.sha256, size_bytes=manifest.size_bytes)


def _assemble(folder: Path, variants: list[Variant], points: Any) -> DeployResult:
    first = _manifest(folder / "net.onnx")
    engines = [variant.engine for variant in variants if variant.engine is not None]
    plan = Artefact(name="net_fp16.plan", sha256="c" * 64, size_bytes=123_456)
    build = Build(
        flavour="tensorrt-rtx",
        version="1.7",
        targets=("sm89",),
        gpu=None,
        profile=BatchProfile(min_batch=1, opt_batch=8, max_batch=64),
        optimization_level=3,
    )
    calibration = {"source": "images", "method": "percentile", "count": 512, "set_sha256": "d" * 64}
    return DeployResult(
        name="net",
        source=Source(
            kind="arch",
            arch="att92",
            dataset="synthetic",
            name="net.safetensors",
            sha256="a" * 64,
            weights="trained",
            contract=first.contract,
            parity={"reference": "torch", "max_abs": 1e-6, "cosine_min": 1.0, "images": 6},
        ),
        options=DeployOptions(),
        origins={"precisions": "default", "slo_ms": "command line"},
        profile="cpu_avx512.toml",
        dataset="synthetic",
        stages=(
            _stage("export", (), engines[:1], "ran-deploy export --arch att92", seconds=12.5),
            _stage("fp16", ("export",), engines[1:], "ran-deploy quantize --onnx net.onnx --precision fp16"),
            _stage("int8", ("export",), [], "ran-deploy quantize --onnx net.onnx --precision int8", rejected=LOST),
            _stage("build-fp16", ("fp16",), [plan], "ran-deploy build --onnx net_fp16.onnx"),
        ),
        variants=(
            *variants,
            Variant(
                name="net_int8, onnxruntime",
                precision="int8",
                runtime="onnxruntime",
                status="rejected",
                reason=LOST,
                calibration=calibration,
            ),
            Variant(
                name="net_fp16, tensorrt-rtx",
                precision="fp16",
                runtime="tensorrt-rtx",
                status="not-run",
                reason=NO_GPU,
                engine=plan,
                obtained={"fp16": 2, "fp32": 1},
                kept=("stem/Conv",),
                build=build,
                commands=("ran-deploy bench --engine net_fp16.plan",),
            ),
        ),
        pareto=points,
        recommendation=Recommendation(
            variant=variants[0].name,
            sentence="Deploy net.onnx in ONNX Runtime.",
            reasons=("It is the fastest of those that hold their gates.", "INT8 was refused."),
            next_command="ran-deploy serve --engine net.onnx",
        ),
        absent={"openvino": "OpenVINO is not installed."},
        lineage=(
            Link(name="net.safetensors", kind="checkpoint", sha256="a" * 64, size_bytes=4096, parents=()),
            _link(engines[0], Parent(role="checkpoint", name="net.safetensors", sha256="a" * 64)),
            _link(engines[1], Parent(role="onnx", name="net.onnx", sha256=engines[0].sha256)),
            _link(plan, Parent(role="onnx", name="net_fp16.onnx", sha256=engines[1].sha256), kind="plan"),
        ),
        warnings=("The accuracy gate of fp16 is undecided: 40 images are too few.",),
        environment=read_environment(),
        created=CREATED,
        command="ran-deploy deploy --arch att92 --out deploy",
    )


def _stage(
    name: str,
    parents: tuple[str, ...],
    artefacts: list[Artefact],
    command: str,
    *,
    rejected: str = "",
    seconds: float = 1,
) -> StageRecord:
    return StageRecord(
        name=name,
        kind=name.partition("-")[0],  # type: ignore[arg-type]
        status="rejected" if rejected else "done",
        reason=rejected,
        key="e" * 64,
        inputs={},
        parents=parents,
        artefacts=tuple(artefacts),
        summary="" if rejected else "made",
        seconds=seconds,
        created=CREATED,
        command=command,
    )


def _link(artefact: Artefact, parent: Parent, kind: str = "onnx") -> Link:
    return Link(
        name=artefact.name, kind=kind, sha256=artefact.sha256, size_bytes=artefact.size_bytes, parents=(parent,)
    )
