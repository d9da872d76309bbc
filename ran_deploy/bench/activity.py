"""What happened on the machine between two moments: who used the CPUs, and what was taken away. Linux only."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.bench.environment import cpu_mhz, load_average

_LEAST_CPUS = 0.1
_MOST_NAMED = 5
_CGROUP_STAT = Path("/sys/fs/cgroup/cpu.stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProcess:
    """A process that used the CPUs meanwhile and is not part of the benchmark."""

    name: str
    cpus: float
    """CPU time over wall-clock time: 1.0 is one CPU all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a benchmark shared the machine with. None: the system does not tell."""

    seconds: float
    own_cpus: float
    """CPU time of this process and its children over wall-clock time."""
    busy_cpus: float | None
    """CPU time of the whole machine over wall-clock time, this process included."""
    stolen_share: float | None
    """Share of the CPU time that the hypervisor gave to other machines."""
    throttled_periods: int | None
    """Scheduling periods in which the container's CPU quota was used up."""
    others: tuple[OtherProcess, ...]
    """The busiest five other processes that are visible from here and used at least a tenth of a CPU."""
    load_average_1min: float | None
    """At the end."""
    cpu_mhz: float | None
    """Mean frequency of the CPUs at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Counters at one moment."""

    at_s: float
    own_s: float
    machine_ticks: tuple[int, ...]
    throttled: int | None
    processes: dict[int, tuple[str, int]]
    """Name and ticks of CPU time of each process that is visible, by its number."""


def snapshot() -> Snapshot:
    """Read the counters as they are now."""
    times = os.times()
    return Snapshot(
        at_s=time.monotonic(),
        own_s=times.user + times.system + times.children_user + times.children_system,
        machine_ticks=_machine_ticks(),
        throttled=_throttled(),
        processes=dict(_processes()),
    )


def activity_since(before: Snapshot) -> Activity:
    """Return what happened since a snapshot."""
    after = snapshot()
    seconds = max(after.at_s - before.at_s, 1e-9)
    tick_s = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
    ticks = [now - then for now, then in zip(after.machine_ticks, before.machine_ticks, strict=False)]
    others = []
    for number, (name, used) in after.processes.items():
        then = before.processes.get(number, (name, 0))[1]
        cpus = (used - then) * tick_s / seconds
        if cpus >= _LEAST_CPUS and not _is_ours(number):
            others.append(OtherProcess(name=name, cpus=cpus))
    throttled = None
    if after.throttled is not None and before.throttled is not None:
        throttled = after.throttled - before.throttled
    return Activity(
        seconds=seconds,
        own_cpus=(after.own_s - before.own_s) / seconds,
        # user, nice, system, idle, iowait, irq, softirq, steal; see proc(5)
        busy_cpus=(sum(ticks[:8]) - ticks[3] - ticks[4]) * tick_s / seconds if len(ticks) >= 8 else None,
        stolen_share=ticks[7] / max(sum(ticks[:8]), 1) if len(ticks) >= 8 else None,
        throttled_periods=throttled,
        others=tuple(sorted(others, key=lambda other: -other.cpus)[:_MOST_NAMED]),
        load_average_1min=load_average(),
        cpu_mhz=cpu_mhz(),
    )


def _machine_ticks() -> tuple[int, ...]:
    with contextlib.suppress(OSError, ValueError), Path("/proc/stat").open(encoding="ascii") as stream:
        return tuple(int(word) for word in stream.readline().split()[1:])
    return ()


def _throttled() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in _CGROUP_STAT.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == "nr_throttled":
                return int(value)
    return None


def _processes() -> list[tuple[int, tuple[str, int]]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            head, _, tail = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
            fields = tail.split()
            found.append((int(folder.name), (head.partition("(")[2], int(fields[11]) + int(fields[12]))))
    return found


def _is_ours(number: int) -> bool:
    return number == os.getpid()
