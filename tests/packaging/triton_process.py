"""A real Triton server on this machine, from an environment that ``serve/triton/make_env.sh`` made."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

RUN = Path(__file__).parents[2] / "serve" / "triton" / "run.sh"
READY = "Started Metrics Service"
"""The last of the three services to start; models are loaded before the first."""
_TAKEN = "already in use"
"""A port that was free a moment ago; the server cannot be told to take any free one."""
_STOP_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that is ready."""

    http: str
    grpc: str


class TritonFailedError(Exception):
    """The server ended before it was ready; the message is its log."""


@contextmanager
def triton(environment: Path, repository: Path) -> Iterator[Server]:
    """Start a server on free ports, wait until its models are loaded, and stop it afterwards.

    Raises:
        TritonFailedError: It ended instead.
    """
    process, ports, lines = _started(environment, repository)
    assert process.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    reader.start()  # or the server would wait for its log to be read
    try:
        yield Server(http=f"127.0.0.1:{ports[0]}", grpc=f"127.0.0.1:{ports[1]}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join()
        process.stdout.close()


def _started(environment: Path, repository: Path) -> tuple["subprocess.Popen[str]", list[int], list[str]]:
    while True:
        ports = _free_ports(3)
        command = ["bash", str(RUN), str(environment), str(repository), *map(str, ports)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if READY in line:
                return process, ports, lines
        process.stdout.close()
        process.wait()
        if _TAKEN not in "".join(lines):
            raise TritonFailedError("".join(lines))


def _free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
