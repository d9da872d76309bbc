"""Two results of ``ran-deploy bench --json`` compared: processes are the units, since the two runs share no rounds.

Within a process, latencies depend on each other and on where its memory lies; a median from one process has an
uncertainty that the process itself cannot show. So each side needs several fresh processes, ``bench --processes``.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ran_deploy.bench.compare_interval import LEAST_UNPAIRED, unpaired_ratio
from ran_deploy.bench.compare_result import BatchComparison, CompareOptions, CompareResult, Side
from ran_deploy.bench.compare_sides import relation
from ran_deploy.bench.compare_verdict import RULE, judge, percent, regressed
from ran_deploy.bench.environment import Environment
from ran_deploy.bench.interleave import Rounds
from ran_deploy.bench.result import BatchResult, BenchResult
from ran_deploy.config import from_mapping
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file
from ran_deploy.runtime.lineage import Ancestor

_SCHEMA = "ran-deploy.bench/v1"
_AGAIN = (
    f"Measure again with: ran-deploy bench --processes {LEAST_UNPAIRED} --json … > FILE, or give the two engines "
    "themselves, which are then measured in one run."
)

Key = tuple[str, str, int, float | None]
"""Scenario, boundary, batch size and arrivals per second: what must agree."""


def compare_results(a: Path, b: Path, options: CompareOptions, batches: tuple[int, ...] | None) -> CompareResult:
    """Compare two result files at each batch size that both have in the same scenario and at the same boundary.

    Args:
        a: The result to compare with.
        b: The candidate's.
        options: How to judge; what is said there about measuring has no meaning.
        batches: Only these batch sizes; None: all that both have.

    Raises:
        UsageError: A file is missing or no such result, there is nothing that both have measured, or too few
            processes were.
        IntegrityError: A file is not JSON.
    """
    if options.metric != "latency":
        raise UsageError(
            "Result files hold the medians of each process, and no throughput of each.",
            fix="Leave --metric out, or give the two engines themselves.",
        )
    first, second = _read(a), _read(b)
    pairs = list(_pairs(first, second, batches))
    if not pairs:
        raise UsageError(
            f"{a} and {b} have nothing in common that can be compared: {_contents(first)}; {_contents(second)}.",
            fix="Measure both with the same --scenario, --boundary and --batch.",
        )
    few = [pair for pair in pairs if min(len(side.process_p50_ms) for side in pair[1:]) < LEAST_UNPAIRED]
    if len(few) == len(pairs):
        counts = " and ".join(str(len(side.process_p50_ms)) for side in few[0][1:])
        raise UsageError(
            f"{a} and {b} come from {counts} processes; two separate runs need at least {LEAST_UNPAIRED} each, or "
            "nobody can tell a difference of engines from one of processes.",
            fix=_AGAIN,
        )
    sides = _side(first), _side(second)
    comparisons = tuple(_compare(*pair, options, first) for pair in pairs if pair not in few)
    return CompareResult(
        a=sides[0],
        b=sides[1],
        relation=relation(*sides),
        comparisons=comparisons,
        regressions=tuple(entry.batch for entry in comparisons if entry.regressed),
        rule=RULE.format(margin=percent(options.margin)),
        order=f"two runs of {first.options.processes} and {second.options.processes} fresh processes",
        inputs=first.inputs,
        remarks=tuple(_remarks(first, second)),
        options=replace(options, batches=tuple(dict.fromkeys(entry.batch for entry in comparisons))),
        environment=second.environment,
    )


def _read(path: Path) -> BenchResult:
    require_file(path, what="result file")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError(f"{path} is not valid JSON: {error}.", fix=_AGAIN) from error
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != _SCHEMA:
        raise UsageError(f"{path} holds {schema or 'no result'}; expected {_SCHEMA}.", fix=_AGAIN)
    return from_mapping(BenchResult, document, where=str(path), fix=_AGAIN)


def _key(result: BenchResult, entry: BatchResult) -> Key:
    return result.options.scenario, entry.boundary, entry.batch, entry.server.offered_qps if entry.server else None


def _pairs(
    a: BenchResult, b: BenchResult, batches: tuple[int, ...] | None
) -> Iterator[tuple[Key, BatchResult, BatchResult]]:
    of_b = {_key(b, entry): entry for entry in b.results}
    for entry in a.results:
        key = _key(a, entry)
        if key in of_b and (batches is None or entry.batch in batches):
            yield key, entry, of_b[key]


def _compare(key: Key, a: BatchResult, b: BatchResult, options: CompareOptions, result: BenchResult) -> BatchComparison:
    scenario, boundary, batch, _ = key
    latency = unpaired_ratio(b.process_p50_ms, a.process_p50_ms)
    processes = min(len(a.process_p50_ms), len(b.process_p50_ms))
    limit = options.fail_on_regression
    return BatchComparison(
        batch=batch,
        scenario=scenario,
        boundary=result.boundaries.get(boundary, boundary),
        a=_rounds(a),
        b=_rounds(b),
        latency=latency,
        time_per_image=None,
        verdict=judge(latency, rounds=processes, margin=options.margin, unit="processes on each side"),
        regressed=limit is not None and regressed(latency, limit),
    )


def _rounds(entry: BatchResult) -> Rounds:
    return Rounds(
        batch=entry.batch,
        runs=entry.samples,
        p50_ms=entry.p50_ms,
        images_per_s=entry.images_per_s,
        round_p50_ms=entry.process_p50_ms,
        round_images_per_s=(),
    )


def _side(result: BenchResult) -> Side:
    info = result.session
    return Side(
        engine=result.engine,
        sha256=info.sha256,
        size_bytes=None,
        runtime=info.runtime,
        provider=info.provider,
        device=info.device,
        precision=info.precision,
        threads=info.threads,
        versions=info.versions,
        lineage=tuple(
            Ancestor(role=parent.role, name=parent.name, sha256=parent.sha256, generation=1, state=None)
            for parent in result.lineage
        ),
    )


def _contents(result: BenchResult) -> str:
    entries = ", ".join(f"batch {entry.batch} at {entry.boundary}" for entry in result.results)
    return f"{result.options.scenario} with {entries}"


def _remarks(a: BenchResult, b: BenchResult) -> Iterator[str]:
    yield "the two runs were made at different times: what changed on the machine between them is not in the interval"
    machines = [_machine(result.environment) for result in (a, b)]
    if machines[0] != machines[1]:
        yield f"A was measured on {machines[0]}, B on {machines[1]}: the ratio is of machines as much as of engines"
    for what, mine, yours in (
        ("threads", a.session.threads, b.session.threads),
        ("inputs", a.inputs, b.inputs),
        ("versions", a.session.versions, b.session.versions),
    ):
        if mine != yours:
            yield f"the {what} differ: A {_text(mine)}; B {_text(yours)}"
    of_a, of_b = ({_key(result, entry) for entry in result.results} for result in (a, b))
    for name, only in (("A", of_a - of_b), ("B", of_b - of_a)):
        for _, boundary, batch, _ in sorted(only, key=str):
            yield f"only {name} has batch {batch} at {boundary}"


def _machine(environment: Environment) -> str:
    gpus = "".join(f", {gpu.get('name')}" for gpu in environment.gpus)
    return f"{environment.cpu} with {environment.cpus} CPUs{gpus}"


def _text(value: object) -> str:
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
