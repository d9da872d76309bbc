"""``ran-deploy serve`` as a process, for the scripts that measure or soak it from outside."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.errors import DeadlineError, NotFoundError, QueueFullError, UnavailableError

_STATUSES = {str(kind.http_status): kind for kind in (NotFoundError, QueueFullError, UnavailableError, DeadlineError)}
DATATYPES = {"uint8": "UINT8", "float16": "FP16", "float32": "FP32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A server that is up."""

    pid: int
    http: str
    """Host and port."""
    grpc: str
    """Host and port."""


@contextlib.contextmanager
def server_process(engine: Path, options: Mapping[str, Any]) -> Iterator[ServerProcess]:
    """Serve an engine as "model" from another process, on free ports, until the end.

    Args:
        engine: The engine.
        options: Of ``ran-deploy serve``, without the dashes; None: its default.

    Raises:
        UsageError: The server did not start, or did not end as it should.
    """
    command = [sys.executable, "-m", "ran_deploy", "serve", "--json", "--port", "0", "--grpc-port", "0"]
    command += ["--engine", f"model={engine}", "--log-level", "error"]
    command += [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        lines: list[str] = []
        while process.stdout is not None and (not lines or lines[-1] not in ("}\n", "")):
            lines.append(process.stdout.readline())
        if not lines[-1]:
            raise UsageError("The server did not start; it says above why.")
        document = json.loads("".join(lines))
        yield ServerProcess(pid=process.pid, http=document["http"].removeprefix("http://"), grpc=document["grpc"])
        process.send_signal(signal.SIGTERM)
        if process.wait() != 0:
            raise UsageError(f"The server ended with exit code {process.returncode}.")
    finally:
        process.kill()
        process.communicate()


class HttpHost:
    """The part of ModelHost's interface that the soak uses, over HTTP."""

    def __init__(self, server: ServerProcess, connections: int) -> None:
        self._server, self._connections = server, connections
        self._client: Any = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator["HttpHost"]:
        """Connect until the end."""
        from tritonclient.http.aio import InferenceServerClient

        async with InferenceServerClient(self._server.http, conn_limit=self._connections) as client:
            self._client = client
            yield self

    async def infer(
        self, name: str, version: str | None, images: npt.NDArray[Any], *, deadline: float | None = None
    ) -> Logits:
        """Return the logits of images.

        Raises:
            ServingError: The server refused them with a documented status.
        """
        from tritonclient.http import InferInput
        from tritonclient.utils import InferenceServerException

        tensor = InferInput("images", list(images.shape), DATATYPES[images.dtype.name])
        tensor.set_data_from_numpy(images)
        timeout_us = None if deadline is None else max(1, round(1e6 * (deadline - time.monotonic())))
        try:
            answer = await self._client.infer(name, [tensor], version or "", timeout=timeout_us)
        except InferenceServerException as error:
            kind = _STATUSES.get(error.status())
            if kind is None:
                raise
            raise kind(error.message()) from error
        logits: npt.NDArray[np.float32] = answer.as_numpy("logits")
        return logits

    async def reload(self, name: str) -> None:
        """Let the server open the model's file again."""
        await self._client.load_model(name)

    def workers(self, _name: str) -> tuple[int, ...]:
        """Return the server's child processes, which are its workers."""
        return tuple(pid for pid, parent in _parents() if parent == self._server.pid)

    async def sha256(self, name: str) -> str:
        """Return the hash of the engine that answers."""
        document = await self._client.get_model_metadata(name)
        found: str = document["parameters"]["sha256"]
        return found


def _parents() -> Iterator[tuple[int, int]]:
    """Return each process of this machine that is not a zombie, and its parent."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(status.parent.name), int(parent)
