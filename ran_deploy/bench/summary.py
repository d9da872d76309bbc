"""From raw series to the statistics that are reported."""

from collections.abc import Sequence
from dataclasses import asdict

from ran_deploy.bench.bootstrap import mean_interval, percentile_bootstrap
from ran_deploy.bench.loop import NS_PER_MS, NS_PER_S
from ran_deploy.bench.options import HEADLINE, BenchOptions
from ran_deploy.bench.request import Measured
from ran_deploy.bench.result import BatchResult, PercentileEstimate, ServerLoad
from ran_deploy.bench.series import Series
from ran_deploy.bench.statistics import (
    minimum_samples,
    percentile,
    percentile_interval,
    stability_text,
    summarize,
    supported_percentile,
)

_KEPT_UP = 0.95


def summarize_all(processes: Sequence[Measured], options: BenchOptions) -> tuple[BatchResult, ...]:
    """Summarize each batch size at each boundary over all processes."""
    together = zip(*(measured.series for measured in processes), strict=True)
    search = processes[0].search
    qps = options.qps if search is None else search.max_qps
    return tuple(_summarize(series, options, qps) for series in together)


def _summarize(series: Sequence[Series], options: BenchOptions, qps: float | None) -> BatchResult:
    first = series[0]
    latencies = [latency for one in series for latency in one.latencies_ms]
    ordered = sorted(latencies)
    summary = asdict(summarize(latencies))
    medians = tuple(percentile(sorted(one.latencies_ms), 50) for one in series)
    images_per_s = first.batch * len(latencies) * NS_PER_S / sum(one.busy_ns for one in series)
    mean_ci95 = mean_interval(latencies)
    server = None if qps is None else _server_load(series, qps, options.workers)
    stability = stability_text(latencies) if len(series) == 1 else _stability_of_processes(series)
    if server is not None:
        summary["stable"], stability = server.kept_up, _keeping_up(server)
    elif len(series) > 1:
        summary["stable"] = stability.startswith("stable")
    mean_ms = summary["mean_ms"]
    return BatchResult(
        **summary,
        batch=first.batch,
        boundary=first.boundary,
        images_per_s=images_per_s,
        images_per_s_ci95=None
        if mean_ci95 is None or server is not None
        else (images_per_s * mean_ms / mean_ci95[1], images_per_s * mean_ms / mean_ci95[0]),
        mean_ci95_ms=mean_ci95,
        p99_ci95_ms=None if summary["p99_ms"] is None else percentile_bootstrap(latencies, 99),
        percentiles=tuple(_estimate(ordered, percent) for percent in options.percentiles),
        headline=_estimate(ordered, HEADLINE[options.scenario]),
        run_averages_ms=_run_averages(series, options.average_runs),
        stop="; ".join(dict.fromkeys(one.stop for one in series)),
        stability=stability,
        server=server,
        process_p50_ms=medians,
        process_spread=None if len(medians) == 1 else (max(medians) - min(medians)) / percentile(ordered, 50),
    )


def _estimate(ordered: Sequence[float], percent: float) -> PercentileEstimate:
    value = supported_percentile(ordered, percent) if percent > 50 else percentile(ordered, percent)
    return PercentileEstimate(
        percent=percent,
        needs=minimum_samples(percent) if percent > 50 else 1,
        ms=value,
        ci95_ms=None if value is None or len(ordered) < 10 else percentile_interval(ordered, percent),
    )


def _run_averages(series: Sequence[Series], runs: int | None) -> tuple[float, ...]:
    if runs is None:
        return ()
    return tuple(
        sum(one.latencies_ms[start : start + runs]) / runs
        for one in series
        for start in range(0, len(one.latencies_ms) - runs + 1, runs)
    )


def _stability_of_processes(series: Sequence[Series]) -> str:
    verdicts = [stability_text(one.latencies_ms) for one in series]
    unstable = [f"process {place}: {text}" for place, text in enumerate(verdicts, 1) if text.startswith("unstable")]
    if unstable:
        return f"unstable: in {len(unstable)} of {len(series)} processes; {unstable[0].replace('unstable: ', '')}"
    return f"stable: in each of {len(series)} processes"


def _server_load(series: Sequence[Series], qps: float, workers: int) -> ServerLoad:
    served = sum(len(one.spans) for one in series)
    scheduled = sum(one.scheduled for one in series)
    waits_ns = [begun - due for one in series for (begun, _), due in zip(one.spans, one.due_ns or (), strict=True)]
    due_s = sum(one.schedule_ns for one in series) / NS_PER_S
    wall_s = sum(one.wall_ns for one in series) / NS_PER_S
    # Answers that come with the last arrivals have kept up, whatever the length of the schedule.
    achieved = served / (max(wall_s, due_s) if served == scheduled else wall_s)
    return ServerLoad(
        offered_qps=qps,
        achieved_qps=achieved,
        workers=workers,
        scheduled=scheduled,
        served=served,
        mean_wait_ms=sum(waits_ns) / len(waits_ns) / NS_PER_MS,
        kept_up=served == scheduled and achieved >= _KEPT_UP * scheduled / due_s,
    )


def _keeping_up(load: ServerLoad) -> str:
    figures = f"{load.achieved_qps:.1f} queries/s answered of {load.offered_qps:.1f} due"
    if load.served < load.scheduled:
        figures += f"; {load.scheduled - load.served:,} queries were never served"
    return f"stable: it kept up, {figures}" if load.kept_up else f"unstable: the queue grew, {figures}"
