"""The raw samples as files: CSV for a spreadsheet, and the JSON that trtexec's ``--exportTimes`` writes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ran_deploy.bench.loop import NS_PER_MS
from ran_deploy.bench.request import Measured
from ran_deploy.bench.series import Series
from ran_deploy.files import write_text

COLUMNS = ("process", "boundary", "batch", "query", "due_ms", "begun_ms", "ended_ms", "latency_ms")


def write_csv(processes: Sequence[Measured], path: Path) -> None:
    """Write one row for each query; times are milliseconds after the first query of the process was due.

    Raises:
        UsageError: The file cannot be written.
    """
    rows = [",".join(COLUMNS)]
    for number, measured in enumerate(processes, 1):
        zero = _zero(measured)
        for series in measured.series:
            timed = zip(series.starts_ns, series.spans, series.latencies_ms, strict=True)
            for query, (due, (begun, ended), latency_ms) in enumerate(timed):
                times = ",".join(f"{(at - zero) / NS_PER_MS:.6f}" for at in (due, begun, ended))
                rows.append(f"{number},{series.boundary},{series.batch},{query},{times},{latency_ms:.6f}")
    write_text(path, "\n".join(rows) + "\n")


def write_export_times(processes: Sequence[Measured], path: Path) -> None:
    """Write the keys that trtexec writes with ``--exportTimes``, for tools that read them.

    The keys are those of TensorRT 10 (``exportJSONTrace`` in its samples/common/sampleReporting.cpp). What a host
    cannot see apart has no length here: one synchronous run counts as compute, and copies as nothing; where the
    device tells its own time, that is ``computeMs``. ``latencyMs`` counts from when a query was due. Two keys are
    added, ``batch`` and ``boundary``, because one file holds all that was measured.

    Raises:
        UsageError: The file cannot be written.
    """
    entries = [entry for measured in processes for entry in _entries(measured)]
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    write_text(path, f"[\n{lines}\n]\n")


def _entries(measured: Measured) -> Iterator[dict[str, float | str]]:
    zero = _zero(measured)
    for series in measured.series:
        yield from _entries_of(series, zero)


def _entries_of(series: Series, zero: int) -> Iterator[dict[str, float | str]]:
    for due, (begun_ns, ended_ns), latency_ms in zip(series.starts_ns, series.spans, series.latencies_ms, strict=True):
        begun, ended = (begun_ns - zero) / NS_PER_MS, (ended_ns - zero) / NS_PER_MS
        if series.device_ms:
            ended = begun + latency_ms
        yield {
            "startEnqMs": (due - zero) / NS_PER_MS,
            "endEnqMs": begun,
            "startH2dMs": begun,
            "endH2dMs": begun,
            "startComputeMs": begun,
            "endComputeMs": ended,
            "startD2hMs": ended,
            "endD2hMs": ended,
            "h2dMs": 0.0,
            "computeMs": ended - begun,
            "d2hMs": 0.0,
            "latencyMs": latency_ms,
            "batch": series.batch,
            "boundary": series.boundary,
        }


def _zero(measured: Measured) -> int:
    return min((series.starts_ns[0] for series in measured.series), default=0)
