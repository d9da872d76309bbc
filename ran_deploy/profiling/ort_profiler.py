"""Kernel times from ONNX Runtime's profiler."""

import json
import tempfile
from pathlib import Path
from typing import Any

from ran_deploy.bench.inputs import Buffers
from ran_deploy.manifest import Contract
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.runtime.ort_session import OrtSession

_KERNEL = "_kernel_time"


class OrtProfiler:
    """ONNX Runtime's profiler: an event with start and duration for each kernel of each run.

    Args:
        path: The ``.onnx`` file, already checked.
        contract: Its contract.
        threads: Threads of the session.
    """

    method = "ONNX Runtime's profiler, each kernel's median over all runs"

    def __init__(self, path: Path, contract: Contract, *, threads: int) -> None:
        self._path, self._contract, self._threads = path, contract, threads

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Run the engine in a new session; return a sample for each run."""
        with (
            tempfile.TemporaryDirectory(prefix="ran-deploy-profile-") as folder,
            OrtSession(self._path, self._contract, threads=self._threads, profile=Path(folder) / "events") as session,
        ):
            for turn in range(warmup + runs):
                session.run(buffers[turn % len(buffers)])
            events = json.loads(session.end_profiling().read_bytes())
        return read_events(events)[warmup:]


def read_events(events: list[dict[str, Any]]) -> list[tuple[KernelTime, ...]]:
    """Return the kernels of each run, from the profiler's events; the event of a run follows those of its kernels."""
    runs: list[tuple[KernelTime, ...]] = []
    kernels: list[dict[str, Any]] = []
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            kernels.append(event)
        elif event["cat"] == "Session" and event["name"] == "model_run":
            runs.append(tuple(_kernel(kernel, kernels[0]["ts"]) for kernel in kernels))
            kernels = []
    return runs


def _kernel(event: dict[str, Any], origin_us: float) -> KernelTime:
    name = event["name"].removesuffix(_KERNEL)
    return KernelTime(
        name=name,
        op=event["args"]["op_name"],
        us=float(event["dur"]),
        claims=(name,),
        start_us=float(event["ts"] - origin_us),
    )
