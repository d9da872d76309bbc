"""How many threads a session on the CPU uses."""

import os

from ran_deploy.errors import UsageError


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; an affinity mask (taskset, cpuset) is respected."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int | None) -> None:
    """Check a number of threads asked for.

    Raises:
        UsageError: It is less than 1.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"The number of threads is {threads}; expected at least 1.")
