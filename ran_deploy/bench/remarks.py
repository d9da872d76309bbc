"""What a reader of a benchmark should doubt, in words."""

from collections.abc import Iterator, Sequence

from ran_deploy.bench.result import BatchResult, BenchResult
from ran_deploy.runtime.caveats import caveats

_BUSY_SHARE = 0.1
_WIDE = 2
"""How many times wider than the median's interval the spread between processes must be to be mentioned."""


def remarks(result: BenchResult) -> tuple[str, ...]:
    """Return what casts doubt on a result or explains it, one sentence each."""
    return (*caveats(result.session), *_about_machine(result), *_about_search(result), *_about_series(result))


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
        lowest = min(trial.qps for trial in search.trials)
        yield (
            f"No rate that was tried, down to {lowest:.4g} queries/s, keeps 99% of the queries within "
            f"{search.slo_ms:g} ms; the search began at {search.ceiling_qps:.4g} queries/s."
        )


def _about_series(result: BenchResult) -> Iterator[str]:
    several = len(result.boundaries) > 1
    names = [f"batch {entry.batch}" + (f" {entry.boundary}" if several else "") for entry in result.results]
    unstable = [place for place, entry in enumerate(result.results) if not entry.stable]
    if unstable:
        reason = result.results[unstable[0]].stability.partition(": ")[2]
        first = f" (at {names[unstable[0]]})" if len(unstable) > 1 else ""
        yield f"Unstable at {', '.join(names[place] for place in unstable)}: {reason}{first}; see --duration."
    for name, entry in zip(names, result.results, strict=True):
        if entry.headline.ms is None and entry.server is not None:
            yield _too_few(entry)
        if entry.process_spread is not None and entry.process_spread > _WIDE * _width(entry):
            yield (
                f"At {name} the medians of the processes differ by {100 * entry.process_spread:.0f}%, far more than "
                "the intervals within them tell: trust the spread."
            )
    for entry in result.results:
        yield from _cost_of_images(entry, result.results)


def _width(entry: BatchResult) -> float:
    limits = entry.p50_ci95_ms
    return 0.0 if limits is None else (limits[1] - limits[0]) / entry.p50_ms


def _cost_of_images(entry: BatchResult, results: Sequence[BatchResult]) -> Iterator[str]:
    """Say what the way from encoded images to classes adds to the engine's own time, where both are stable."""
    for other in results:
        if entry.boundary == "engine" and other.boundary == "end-to-end" and other.batch == entry.batch:
            added = other.p50_ms - entry.p50_ms
            if added > 0 and entry.stable and other.stable:
                yield (
                    f"Decoding, preprocessing and picking the class add {added:.2f} ms to the engine's "
                    f"{entry.p50_ms:.2f} ms at batch {entry.batch} (medians)."
                )


def _too_few(entry: BatchResult) -> str:
    needs = entry.headline.needs
    seconds = needs / entry.server.offered_qps if entry.server is not None else 0
    return (
        f"The server scenario is judged by p{entry.headline.percent:g}, which needs {needs:,} queries: add "
        f"--iterations {needs} (about {seconds:.0f} s at this rate)."
    )
