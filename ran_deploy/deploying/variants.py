"""From the records of the stages to what is known of each engine variant."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ran_deploy.bench.pareto_result import ParetoPoint, ParetoResult
from ran_deploy.bench.result import BenchResult
from ran_deploy.bench.statistics import percentile
from ran_deploy.deploying.answers import Answers, read_answers
from ran_deploy.deploying.context import Context
from ran_deploy.deploying.measures import place, variant_name
from ran_deploy.deploying.options import PLAN_RUNTIMES, PrecisionName, RuntimeName
from ran_deploy.deploying.plan import REFERENCE, asked_for, variants_of
from ran_deploy.deploying.result import Samples, SloResult, StageRecord, Variant, VariantStatus
from ran_deploy.json_files import read_json
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.profiling.result import ProfileResult

T = TypeVar("T")
_MOST_SAMPLES = 2000

Done = Mapping[str, StageRecord]


def read_variants(context: Context, done: Done, pareto: ParetoResult | None) -> tuple[Variant, ...]:
    """Return everything that is known of each engine variant, the reference first.

    Args:
        context: The deployment.
        done: The records of its stages.
        pareto: Its Pareto measurement.

    Raises:
        IntegrityError: A measurement's file is damaged.
    """
    reference = _answers(context, done, *REFERENCE)
    points = {} if pareto is None else {point.name: point for point in pareto.points}
    return tuple(
        _variant(context, done, pair, reference, points.get(variant_name(context, *pair)))
        for pair in variants_of(context)
    )


def _variant(
    context: Context,
    done: Done,
    pair: tuple[PrecisionName, RuntimeName],
    reference: Answers | None,
    point: ParetoPoint | None,
) -> Variant:
    precision, runtime = pair
    engine = context.engine(precision, runtime)
    maker, manifest = _maker(context, done, precision, runtime), None
    if maker is not None and maker.status == "done":
        manifest = read_manifest(engine)
    answers = _answers(context, done, precision, runtime)
    is_reference = pair == REFERENCE
    paired = answers.against(reference) if answers and reference and not is_reference else None
    gate = context.options.gates.of(precision)
    judged = gate.judge(paired) if gate is not None and paired is not None else None
    bench = _read(context, done, BenchResult, "bench", pair)
    slo = None if bench is None else judge_slo(context, bench, place(context, "bench", precision, runtime))
    status, reason = _status(context, done, precision, runtime, maker)
    if status == "passed" and judged is not None and not judged.passed:
        status, reason = "rejected", judged.summary
    elif status == "passed" and slo is not None and not slo.held:
        status, reason = "rejected", slo.text
    if not asked_for(context, precision, runtime):
        status, reason = "reference", "it was not asked for; the others are compared with it"
    names = [f"{kind}-{precision}-{runtime}" for kind in ("accuracy", "bench", "profile")]
    commands = [record.command for record in (maker, *(done.get(name) for name in names)) if record is not None]
    return Variant(
        name=variant_name(context, precision, runtime),
        precision=precision,
        runtime=runtime,
        status=status,
        reason=reason,
        engine=None if manifest is None or maker is None else maker.artefacts[0],
        **_described(manifest),
        accuracy=None if answers is None else answers.result,
        paired=paired,
        gate=judged,
        bench=bench,
        samples=() if bench is None else read_samples(place(context, "bench", precision, runtime).with_suffix(".csv")),
        slo=slo,
        profile=_read(context, done, ProfileResult, "profile", pair),
        on_latency_front=None if point is None else not point.latency.dominated_by,
        on_throughput_front=None if point is None else not point.throughput.dominated_by,
        commands=tuple(text for text in commands if text),
    )


def _described(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        return {}
    return {
        "obtained": manifest.precision.obtained,
        "kept": manifest.precision.kept,
        "build": manifest.build,
        "calibration": manifest.calibration,
        "parity": manifest.parity,
    }


def _maker(context: Context, done: Done, precision: str, runtime: str) -> StageRecord | None:
    if runtime in PLAN_RUNTIMES:
        return done.get(f"build-{precision}")
    return done.get(context.source if precision == "fp32" else precision)


def _status(
    context: Context, done: Done, precision: str, runtime: str, maker: StageRecord | None
) -> tuple[VariantStatus, str]:
    """Say how far a variant came, before its gates are looked at."""
    if maker is None or maker.status != "done":
        blamed = maker
        while blamed is not None and blamed.status == "skipped" and blamed.parents:  # the one that it waits for
            parent = done.get(blamed.parents[0])
            if parent is None or parent.status == "done":
                break
            blamed = parent
        status: VariantStatus = "rejected" if blamed is not None and blamed.status == "rejected" else "failed"
        return status, "it was not made" if blamed is None else blamed.reason
    if runtime in context.runtimes.not_run:
        return "not-run", f"built, {context.runtimes.not_run[runtime]}"
    for kind in ("accuracy", "bench"):
        record = done.get(f"{kind}-{precision}-{runtime}")
        if record is not None and record.status != "done":
            return ("rejected" if record.status == "rejected" else "failed"), record.reason
    return "passed", ""


def judge_slo(context: Context, bench: BenchResult, path: Path) -> SloResult | None:
    """Say whether an engine holds the latency asked for, at its smallest batch; None where none was asked for.

    The percentile asked for needs enough samples; where they are too few, the highest of 95, 90 and 50 that they
    support is judged instead, and the verdict says so.
    """
    load = context.options.load
    if load.slo_ms is None:
        return None
    if bench.search is not None:
        found = bench.search.max_qps
        held = found is not None
        text = f"{'holds' if held else 'does not hold'} {load.slo_ms:g} ms at p99" + (
            f" up to {found:.1f} queries/s" if found is not None else " at any rate"
        )
        return SloResult(
            slo_ms=load.slo_ms, percentile=99, measured_ms=bench.results[0].p50_ms, batch=1, held=held, text=text
        )
    first = bench.results[0]
    ordered = next(
        entry.latencies_ms
        for entry in read_samples(path.with_suffix(".csv"), most=None)
        if (entry.batch, entry.boundary) == (first.batch, first.boundary)
    )
    percent = _supported(load.slo_percentile, len(ordered))
    measured = percentile(ordered, percent)
    held = measured <= load.slo_ms
    few = "" if percent == load.slo_percentile else f" ({len(ordered)} runs are too few for p{load.slo_percentile:g})"
    text = (
        f"{'holds' if held else 'misses'} {load.slo_ms:g} ms: p{percent:g} is {measured:.3g} ms at batch {first.batch}"
    )
    return SloResult(
        slo_ms=load.slo_ms, percentile=percent, measured_ms=measured, batch=first.batch, held=held, text=text + few
    )


def _supported(percent: float, samples: int) -> float:
    from ran_deploy.bench.statistics import minimum_samples

    lower = [value for value in (percent, 95.0, 90.0) if value <= percent and samples >= minimum_samples(value)]
    return max(lower, default=50.0)


def read_samples(path: Path, *, most: int | None = _MOST_SAMPLES) -> tuple[Samples, ...]:
    """Read the latencies that ``bench --csv`` wrote, by batch size and boundary, in ascending order.

    Args:
        path: The file.
        most: Keep at most so many of each, evenly spread order statistics; None: all.
    """
    found: dict[tuple[int, str], list[float]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found.setdefault((int(row["batch"]), row["boundary"]), []).append(float(row["latency_ms"]))
    return tuple(
        Samples(batch=batch, boundary=boundary, count=len(values), latencies_ms=_spread(sorted(values), most))
        for (batch, boundary), values in found.items()
    )


def _spread(ordered: list[float], most: int | None) -> tuple[float, ...]:
    if most is None or len(ordered) <= most:
        return tuple(ordered)
    return tuple(ordered[(2 * place + 1) * len(ordered) // (2 * most)] for place in range(most))


def _answers(context: Context, done: Done, precision: str, runtime: str) -> Answers | None:
    record = done.get(f"accuracy-{precision}-{runtime}")
    if record is None or record.status != "done":
        return None
    return read_answers(place(context, "accuracy", precision, runtime))


def _read(context: Context, done: Done, kind: type[T], name: str, pair: tuple[str, str]) -> T | None:
    record = done.get("-".join((name, *pair)))
    if record is None or record.status != "done":
        return None
    return read_json(kind, place(context, name, *pair))
