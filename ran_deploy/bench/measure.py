"""One process's share of a benchmark: open the engine, measure all that is asked for, close it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ran_deploy.bench.arrivals import arrivals_ns
from ran_deploy.bench.boundary import (
    Timed,
    describe,
    device_milliseconds,
    end_to_end_call,
    engine_call,
    read_encoded,
)
from ran_deploy.bench.closed_loop import measure_closed_loop, measure_device
from ran_deploy.bench.environment import peak_rss_bytes
from ran_deploy.bench.inputs import make_pool
from ran_deploy.bench.loop import NS_PER_MS, NS_PER_S, recorded_loop
from ran_deploy.bench.options import BenchOptions
from ran_deploy.bench.request import Measured, Request
from ran_deploy.bench.search import Search, find_max_qps
from ran_deploy.bench.series import Series
from ran_deploy.bench.server import serve
from ran_deploy.bench.statistics import percentile
from ran_deploy.bench.stop import StopRule
from ran_deploy.progress import Progress
from ran_deploy.runtime.session import Session

_CEILING = 1.25
_GRACE_S = 10
"""However short a schedule is, its queue is given this time."""


Call = Callable[[str, int], Timed[Any]]
"""Makes the call to time at a boundary and a batch size."""


def measure(request: Request) -> Measured:
    """Open an engine and measure it; raises as :func:`ran_deploy.bench.benchmark.benchmark`."""
    options = request.options
    folder = None if request.images is None else Path(request.images)
    with request.open() as session:
        contract = session.contract
        pool, fed = make_pool(contract, options.batches, folder)
        encoded = read_encoded(contract, folder) if "end-to-end" in options.boundaries else []

        def call(boundary: str, batch: int) -> Timed[Any]:
            if boundary == "engine":
                return engine_call(session, pool, batch)
            return end_to_end_call(session, encoded, batch)

        first = call(options.boundaries[0], options.batches[0])
        ((begun, ended),) = recorded_loop(first.run, first.payloads, runs=1, duration_ns=0)
        search: Search | None = None
        if options.scenario != "server":
            series = _closed_loops(session, call, options)
        elif options.find_max_qps:
            search, series = _search(call, options)
        else:
            series = _server(call, options)
        names = dict.fromkeys([*options.boundaries, *(one.boundary for one in series)])
        return Measured(
            session=session.info,
            boundaries={name: describe(name, contract) for name in names},
            inputs=f"{fed}, in rotating batches",
            first_inference_ms=(ended - begun) / NS_PER_MS,
            series=tuple(series),
            search=search,
            peak_rss_bytes=peak_rss_bytes(),
        )


def _closed_loops(session: Session, call: Call, options: BenchOptions) -> list[Series]:
    rule, found = options.stop_rule, []
    device = device_milliseconds(session)
    with Progress("bench", len(options.boundaries) * len(options.batches), "measurements") as progress:
        for boundary in options.boundaries:
            for batch in options.batches:
                timed = call(boundary, batch)
                found.append(
                    measure_closed_loop(timed, batch=batch, boundary=boundary, warmup_ms=options.warmup_ms, rule=rule)
                )
                if device is not None and boundary == "engine":
                    found.append(measure_device(device, timed, batch=batch, warmup_ms=options.warmup_ms, rule=rule))
                progress.advance(1)
    return found


def _server(call: Call, options: BenchOptions) -> list[Series]:
    assert options.qps is not None  # noqa: S101 - BenchOptions has checked it
    due_ns = arrivals_ns(options.qps, duration_s=options.duration_s, least=options.iterations, seed=options.seed)
    found = []
    with Progress("bench", len(options.boundaries), "boundaries") as progress:
        for boundary in options.boundaries:
            timed = _warmed(call(boundary, 1), options)
            found.append(_serve(timed, due_ns, boundary, options))
            progress.advance(1)
    return found


def _search(call: Call, options: BenchOptions) -> tuple[Search, list[Series]]:
    assert options.slo_ms is not None  # noqa: S101 - BenchOptions has checked it
    (boundary,) = options.boundaries
    timed = call(boundary, 1)
    brief = StopRule(runs=10, least_s=min(1.0, options.duration_s), most_s=options.duration_s, precision=0.02)
    alone = measure_closed_loop(timed, batch=1, boundary=boundary, warmup_ms=options.warmup_ms, rule=brief)
    median_ms = percentile(sorted(alone.latencies_ms), 50)
    with Progress("bench, search", options.trials + 1, "trials") as progress:
        search, series = find_max_qps(
            lambda due_ns, give_up: _serve(timed, due_ns, boundary, options, give_up),
            slo_ms=options.slo_ms,
            ceiling_qps=_CEILING * options.workers * 1000 / median_ms,
            trials=options.trials,
            duration_s=options.duration_s,
            iterations=options.iterations,
            seed=options.seed,
            after_trial=lambda trial: progress.advance(1, f"{trial.qps:.1f} queries/s"),
        )
    return search, [] if series is None else [series]


def _warmed(timed: Timed[Any], options: BenchOptions) -> Timed[Any]:
    recorded_loop(timed.run, timed.payloads, runs=1, duration_ns=options.warmup_ms * NS_PER_MS)
    return timed


def _serve(
    timed: Timed[Any],
    due_ns: list[int],
    boundary: str,
    options: BenchOptions,
    give_up: Callable[[float], bool] = lambda _: False,
) -> Series:
    most_s = max(options.stop_rule.most_s, 2 * due_ns[-1] / NS_PER_S, _GRACE_S)
    return serve(timed, due_ns, workers=options.workers, most_s=most_s, boundary=boundary, give_up=give_up)
