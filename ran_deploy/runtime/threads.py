"""How many threads a session on the CPU uses."""

import os

from ran_deploy.errors import UsageError

_MOST = 1024
"""More than any CPU that a network of this size gains from; runtimes start as many as they are told."""


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; an affinity mask (taskset, cpuset) is respected."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int | None) -> None:
    """Check a number of threads asked for.

    Raises:
        UsageError: It is less than 1, or more than runtimes can start.
    """
    if threads is not None and not 1 <= threads <= _MOST:
        raise UsageError(
            f"The number of threads is {threads}; expected at least 1 and at most {_MOST}.",
            fix=f"Leave it out, or give the number of CPUs to use; this process may use {usable_cpus()}.",
        )
