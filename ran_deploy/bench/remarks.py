"""What a reader of a benchmark should doubt, in words."""

from collections.abc import Iterator

from ran_deploy.bench.result import BatchResult, BenchResult

_BUSY_SHARE = 0.1


def remarks(result: BenchResult) -> tuple[str, ...]:
    """Return what casts doubt on a result or explains it, one sentence each."""
    return (*_about_machine(result), *_about_search(result), *_about_series(result))


def _about_machine(result: BenchResult) -> Iterator[str]:
    machine, activity = result.environment, result.activity
    load = machine.load_average_1min
    if load is not None and load > machine.cpus / 2:
        yield f"The machine was busy before the measurement (load {load:.1f} on {machine.cpus} CPUs)."
    if activity.busy_cpus is not None:
        others = activity.busy_cpus - activity.own_cpus
        if others > _BUSY_SHARE * machine.cpus:
            names = ", ".join(f"{other.name} {other.cpus:.1f}" for other in activity.others)
            known = f" ({names})" if names else ""
            yield f"Other programs used {others:.1f} CPUs meanwhile{known}: latencies here are too high."
    if activity.stolen_share is not None and activity.stolen_share > 0.02:
        yield f"The hypervisor took away {100 * activity.stolen_share:.0f}% of the CPU time."
    if activity.throttled_periods:
        yield (
            f"The container's CPU quota was used up in {activity.throttled_periods} scheduling periods: "
            "the longest latencies are the quota's, not the engine's."
        )
    if machine.governor not in (None, "performance"):
        yield f"The CPU's frequency governor is {machine.governor}; performance gives steadier latencies."


def _about_search(result: BenchResult) -> Iterator[str]:
    search = result.search
    if search is not None and search.max_qps is None:
        yield (
            f"No rate of arrivals keeps 99% of the queries within {search.slo_ms:g} ms; one query after another, the "
            f"engine does {search.ceiling_qps / 1.25 / result.options.workers:.1f} queries/s."
        )


def _about_series(result: BenchResult) -> Iterator[str]:
    several = len(result.boundaries) > 1
    for entry in result.results:
        where = f"batch {entry.batch}" + (f", {entry.boundary}" if several else "")
        if not entry.stable:
            yield f"Unstable at {where}: {entry.stability.partition(': ')[2] or entry.stability}; see --duration."
        if entry.headline.ms is None and entry.server is not None:
            yield _too_few(entry)


def _too_few(entry: BatchResult) -> str:
    needs = entry.headline.needs
    seconds = needs / entry.server.offered_qps if entry.server is not None else 0
    return (
        f"The server scenario is judged by p{entry.headline.percent:g}, which needs {needs:,} queries: add "
        f"--iterations {needs} (about {seconds:.0f} s at this rate)."
    )
