"""One run as a file that Perfetto and Chrome open: the trace event format's JSON, complete events in microseconds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ran_deploy.json_files import write_json
from ran_deploy.profiling.result import KernelCost, ProfileResult
from ran_deploy.profiling.sample import KernelTime

_PROCESS = 1
_PARTS, _KERNELS = 1, 2


def trace_document(result: ProfileResult, run: Sequence[KernelTime], costs: Sequence[KernelCost]) -> dict[str, Any]:
    """Return a trace: the kernels of one run on one track, the parts of the network that they are in on another.

    Args:
        result: The profile.
        run: The kernels of one run. Where the runtime does not tell when they began, they follow each other without
            a gap.
        costs: The cost of each, in the same order.
    """
    spans = list(_spans(run))
    events: list[dict[str, Any]] = [
        _name("process_name", 0, f"{Path(result.engine).name}, batch {result.batch}, {result.session.runtime}"),
        _name("thread_name", _PARTS, "parts of the network"),
        _name("thread_name", _KERNELS, "kernels"),
    ]
    part_start = 0
    for place, cost in enumerate(costs):
        start_us, us = spans[place]
        events.append(_event(cost.op, cost.branch, _KERNELS, (start_us, us), _facts(cost)))
        if place + 1 == len(costs) or costs[place + 1].part != cost.part:
            first_us = spans[part_start][0]
            facts = {"kernels": place + 1 - part_start}
            events.append(_event(cost.part, cost.branch, _PARTS, (first_us, start_us + us - first_us), facts))
            part_start = place + 1
    return {
        "displayTimeUnit": "ms",
        "otherData": {
            "engine": result.engine,
            "runtime": result.session.runtime,
            "batch": result.batch,
            "run_us": result.run_us,
            "starts": "as measured" if run and run[0].start_us is not None else "not told: kernels laid end to end",
        },
        "traceEvents": events,
    }


def write_trace(result: ProfileResult, run: Sequence[KernelTime], costs: Sequence[KernelCost], path: Path) -> None:
    """Write a trace.

    Raises:
        UsageError: The file cannot be written.
    """
    write_json(path, trace_document(result, run, costs), indent=None)


def _spans(run: Sequence[KernelTime]) -> Iterator[tuple[float, float]]:
    end_us = 0.0
    for kernel in run:
        start_us = end_us if kernel.start_us is None else kernel.start_us
        end_us = start_us + kernel.us
        yield start_us, kernel.us


def _name(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": _PROCESS, "tid": thread, "args": {"name": name}}


def _event(name: str, category: str, thread: int, span: tuple[float, float], facts: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": span[0], "dur": span[1]}
    return {"ph": "X", "name": name, "cat": category, "pid": _PROCESS, "tid": thread, **times, "args": facts}


def _facts(cost: KernelCost) -> dict[str, Any]:
    facts = {
        "kernel": cost.name,
        "part": cost.part,
        "nodes": ", ".join(cost.nodes),
        "median_us": cost.us,
        "macs": cost.macs,
        "moved_bytes": cost.moved_bytes,
        "gflops": cost.gflops,
        "roofline": cost.roofline,
    }
    return {key: value for key, value in facts.items() if value is not None}
