"""ran_deploy.train.allocator: freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
from ran_deploy.train.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for step in range(12):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"1") * (48 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Return how many page faults it takes to fill and free 48 MiB ten times over."""
    done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's malloc")
def test_memory_is_kept_for_the_next_step() -> None:
    """Ten times 48 MiB are 122,880 pages of 4 KiB, of which none is asked for twice."""
    assert faults("keep") < 1000 < faults("leave")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where mallopt may be missing, it is not called."""
    from ran_deploy.train.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
