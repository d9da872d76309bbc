import os
import signal
import subprocess
import sys
from pathlib import Path

from ran_deploy.locks import lock

_CHILD = """
import sys, time
from ran_deploy.locks import lock
stream = open(sys.argv[1], "ab")
print(lock(stream), flush=True)
time.sleep(600)
"""


def test_a_file_is_held_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("ab") as mine, path.open("ab") as other:
        assert lock(mine)
        assert lock(mine)  # once more harms nothing
        assert not lock(other)
        mine.close()
        assert lock(other)


def test_a_folder_is_held_as_well(tmp_path: Path) -> None:
    mine, other = os.open(tmp_path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    try:
        assert lock(mine)
        assert not lock(other)
    finally:
        os.close(mine)
        assert lock(other)
        os.close(other)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with subprocess.Popen([sys.executable, "-c", _CHILD, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        with path.open("ab") as mine:
            assert not lock(mine)
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert lock(mine)
