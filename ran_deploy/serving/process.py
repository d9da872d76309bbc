"""A worker's operating system process: its start and its end."""

import os
import subprocess
import sys
from pathlib import Path

import ran_deploy

_GRACE_S = 30.0
"""How long a worker may take to free its engine before it is killed, in seconds."""


def spawn(channel: int, memory: int) -> "subprocess.Popen[bytes]":
    """Start a worker process.

    Args:
        channel: Descriptor of its end of a connected stream socket.
        memory: Descriptor of the memory that it shares with this process.

    Raises:
        OSError: The process cannot be started.
    """
    # The very code that runs here, wherever it was imported from.
    home = str(Path(ran_deploy.__file__).parents[1])
    paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "ran_deploy.serving.worker_main", str(channel), str(memory)],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=2,  # what a runtime prints is no data of this process
        pass_fds=(channel, memory),
        process_group=0,
    )


def wait(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit status of a process that ends; one that takes too long is killed."""
    try:
        return process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
