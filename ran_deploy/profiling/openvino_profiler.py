"""Kernel times from OpenVINO's performance counters."""

from pathlib import Path
from typing import Any

from ran_deploy.bench.inputs import Buffers
from ran_deploy.manifest import Contract
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.runtime.openvino_session import InferencePrecision, OpenVinoSession

_US_PER_S = 1e6


class OpenVinoProfiler:
    """OpenVINO's counters: the CPU plugin gives the mean of all runs since the model was compiled, in whole µs.

    So a sample is one compilation: the counters are read after the warm-up and at the end, and the warm-up's share is
    taken out.

    Args:
        path: The ``.onnx`` file, already checked.
        contract: Its contract.
        threads: Threads of the session.
        precision: As for :class:`~ran_deploy.runtime.openvino_session.OpenVinoSession`.
    """

    method = "OpenVINO's performance counters (whole µs), each kernel's median over the means of all rounds"

    def __init__(self, path: Path, contract: Contract, *, threads: int, precision: InferencePrecision) -> None:
        self._path, self._contract, self._threads, self._precision = path, contract, threads, precision

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Compile the model, run it, and return one sample: the mean of ``runs`` runs."""
        with OpenVinoSession(
            self._path, self._contract, threads=self._threads, precision=self._precision, profile=True
        ) as session:
            compiled = session.compiled
            request = compiled.create_infer_request()
            for turn in range(warmup):
                request.infer({0: buffers[turn % len(buffers)]})
            before = {entry.node_name: _us(entry) for entry in request.profiling_info} if warmup else {}
            for turn in range(runs):
                request.infer({0: buffers[(warmup + turn) % len(buffers)]})
            entries = request.profiling_info
            origins = _origins(compiled)
        return [
            tuple(
                KernelTime(
                    name=entry.node_name,
                    op=entry.node_type,
                    us=without_warmup(_us(entry), before.get(entry.node_name, 0.0), warmup, runs),
                    claims=(*origins.get(entry.node_name, ()), entry.node_name),
                    # Fused operations are listed as not run, and so are those that take less than 1 µs in the mean.
                    ran=entry.status.name == "EXECUTED",
                )
                for entry in entries
            )
        ]


def without_warmup(mean_us: float, warmup_mean_us: float, warmup: int, runs: int) -> float:
    """Return the mean of the last ``runs`` runs, from the mean of all and that of the first ``warmup``."""
    return max(0.0, (mean_us * (warmup + runs) - warmup_mean_us * warmup) / runs)


def _us(entry: Any) -> float:
    return float(entry.real_time.total_seconds() * _US_PER_S)


def _origins(compiled: Any) -> dict[str, tuple[str, ...]]:
    """Return for each kernel the names of the model's operations that it computes."""
    found = {}
    for layer in compiled.get_runtime_model().get_ops():
        names = layer.get_rt_info()["originalLayersNames"].astype(str)
        found[layer.get_friendly_name()] = tuple(name for name in names.split(",") if name)
    return found
