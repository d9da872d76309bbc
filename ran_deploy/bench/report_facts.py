"""What a report says beside numbers: method, machine, and the files behind the engine."""

from ran_deploy.bench.activity import Activity
from ran_deploy.bench.environment import Environment
from ran_deploy.bench.result import BenchResult
from ran_deploy.report.words import mebibytes, ms


def method_facts(result: BenchResult) -> list[tuple[str, str]]:
    """Return how it was measured: boundaries, inputs, rules, and why each measurement ended."""
    facts = [(f"boundary {name}", text) for name, text in result.boundaries.items()]
    facts += [
        ("inputs", result.inputs),
        ("warm-up", f"at least {result.options.warmup_ms} ms and one run, not timed"),
        ("stop rule", result.stop_rule),
    ]
    for entry in result.results:
        where = f"batch {entry.batch}, {entry.boundary}"
        facts += [(f"{where}: end", entry.stop), (f"{where}: verdict", entry.stability)]
        if entry.server is not None:
            load = entry.server
            workers = f"{load.workers} worker{'s' if load.workers > 1 else ''}"
            waited = f"a query waited {ms(load.mean_wait_ms)} ms on average; latency counts from when it was due"
            facts.append((f"{where}: queue", f"{workers}; {waited}; arrivals with seed {result.options.seed}"))
    facts += [("percentiles", result.percentile_rule), ("intervals", result.interval_rule)]
    if len(result.starts) > 1:
        loads = ", ".join(f"{1000 * start.load_s:.0f}" for start in result.starts)
        firsts = ", ".join(ms(start.first_inference_ms) for start in result.starts)
        facts += [("processes", f"{len(result.starts)}: load {loads} ms; first run {firsts} ms")]
        facts += [
            (f"medians, batch {entry.batch}, {entry.boundary}", ", ".join(map(ms, entry.process_p50_ms)) + " ms")
            for entry in result.results
        ]
    return facts


def environment_facts(result: BenchResult) -> list[tuple[str, str]]:
    """Return the machine and what else it did."""
    return machine_facts(result.environment, result.activity)


def machine_facts(machine: Environment, activity: Activity | None = None) -> list[tuple[str, str]]:
    """Return a machine, with what happened on it during a measurement where that is known."""
    cores = "" if machine.cores is None else f", {machine.cores} physical cores in the machine"
    facts = [
        ("CPU", machine.cpu),
        ("usable", f"{machine.cpus} CPUs{cores}"),
        ("instruction sets", ", ".join(machine.cpu_features) or "none of those that matter"),
        ("CPU quota", "no limit visible" if machine.cpu_quota is None else f"{machine.cpu_quota:g} CPUs"),
        ("container", "yes" if machine.container else "no sign of one"),
        ("governor", machine.governor or "not told"),
        ("frequency", _mhz(machine.cpu_mhz) + (f" before, {_mhz(activity.cpu_mhz)} after" if activity else "")),
        ("memory", mebibytes(machine.memory_bytes)),
        ("load", _number(machine.load_average_1min) + _load_after(activity)),
        *(_activity_facts(activity) if activity else []),
    ]
    facts += [("GPU", ", ".join(f"{name} {value}" for name, value in gpu.items())) for gpu in machine.gpus]
    facts += [("system", f"{machine.os}, Python {machine.python}")]
    return [*facts, ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items()))]


def _load_after(activity: Activity | None) -> str:
    return f" before, {_number(activity.load_average_1min)} after" if activity else ""


def _activity_facts(activity: Activity) -> list[tuple[str, str]]:
    facts = [("CPUs in use", f"{activity.own_cpus:.2f} by this benchmark, {_number(activity.busy_cpus)} in all")]
    if activity.stolen_share is not None:
        facts.append(("taken by the hypervisor", f"{100 * activity.stolen_share:.1f}% of the CPU time"))
    if activity.throttled_periods is not None:
        facts.append(("throttled by the quota", f"{activity.throttled_periods} periods"))
    if activity.others:
        facts.append(("busy beside it", ", ".join(f"{other.name} ({other.cpus:.1f})" for other in activity.others)))
    return facts


def lineage_facts(result: BenchResult) -> list[tuple[str, str]]:
    """Return the engine and what it was made from, by hash."""
    session = result.session
    facts = [
        ("engine", session.engine),
        ("sha256", session.sha256),
        ("precision", f"{result.precision_asked} asked for; runs as {session.precision}"),
    ]
    return facts + [(f"made from {parent.role}", f"{parent.name}  {parent.sha256}") for parent in result.lineage]


def _mhz(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f} MHz"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
