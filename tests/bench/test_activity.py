import os
import subprocess
import sys

import pytest

from ran_deploy.bench.activity import activity_since, snapshot

_BURN = """
import time
while time.process_time() < 0.3:
    pass
print("burnt", flush=True)
input()
"""


def test_own_time_is_counted() -> None:
    before = snapshot()
    spent_s = os.times().user
    while os.times().user < spent_s + 0.05:
        pass
    activity = activity_since(before)
    assert activity.own_cpus * activity.seconds >= 0.04
    assert activity.seconds > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_who_else_was_busy() -> None:
    before = snapshot()
    with subprocess.Popen([sys.executable, "-c", _BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it has used 0.3 s of CPU time, and waits
        after = snapshot()
        other.communicate(b"\n")
    assert other.pid in after.processes
    name, ticks = after.processes[other.pid]
    assert name.startswith("python")
    assert ticks / os.sysconf("SC_CLK_TCK") >= 0.25
    assert other.pid not in before.processes
    assert os.getpid() in after.processes
