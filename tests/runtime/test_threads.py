import os

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.runtime.threads import check_threads, usable_cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_respects_the_affinity_mask() -> None:
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, mask)
    assert usable_cpus() == len(mask)


@pytest.mark.parametrize("threads", [0, -2, 1025, 2**31, 10**20])
def test_refuses_less_than_one_and_more_than_can_be(threads: int) -> None:
    with pytest.raises(UsageError, match=f"threads is {threads}; expected at least 1"):
        check_threads(threads)


def test_takes_none_and_one() -> None:
    check_threads(None)
    check_threads(1)
    check_threads(1024)
