"""Operator times of a checkpoint in eager PyTorch, each with the module that called it."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - profiles checkpoints; nothing light imports it
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: TID253

from ran_deploy.bench.inputs import Buffers
from ran_deploy.manifest import Manifest
from ran_deploy.profiling.graph import Graph, Node
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.runtime.torch_session import TorchSession

_ONNX_NAMES = {"conv2d": "Conv", "linear": "Gemm", "max_pool2d": "MaxPool"}
"""Operators by which a graph's parts are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One operator of one run."""

    node: Node
    sizes: dict[str, int]
    begun_ns: int
    ended_ns: int


class TorchProfiler:
    """Times each operator around its dispatch.

    PyTorch hands every operator that a network calls to the active dispatch mode, in inference mode before it is taken
    apart into smaller ones; what is timed is the operator alone, without the Python code between two of them.

    Args:
        path: The checkpoint, already checked.
        manifest: Its manifest.
        threads: PyTorch's threads.
    """

    method = "the operators of eager PyTorch, each timed where it is dispatched, its median over all runs"

    def __init__(self, path: Path, manifest: Manifest | None, *, threads: int) -> None:
        self._path, self._manifest, self._threads = path, manifest, threads

    def sample(self, buffers: Buffers, *, warmup: int, runs: int) -> list[tuple[KernelTime, ...]]:
        """Run the checkpoint in a new session; return a sample for each run."""
        with self._open() as session, _watched(session) as watch:
            samples = []
            for turn in range(warmup + runs):
                watch.calls.clear()
                session.run(buffers[turn % len(buffers)])
                samples.append(_kernels(watch.calls))
        return samples[warmup:]

    def graph(self, buffers: Buffers) -> Graph:
        """Run the checkpoint once, and return what its operators compute, each a node of its own."""
        with self._open() as session, _watched(session) as watch:
            session.run(buffers[0])
        nodes = tuple(call.node for call in watch.calls)
        return Graph(
            nodes=nodes,
            sizes={name: size for call in watch.calls for name, size in call.sizes.items()},
            constants=frozenset(),
            # Eager PyTorch writes every result to memory, whoever reads it.
            outputs=frozenset(name for node in nodes for name in node.outputs),
            producers={name: place for place, node in enumerate(nodes) for name in node.outputs},
            consumers={},
        )

    def _open(self) -> TorchSession:
        return TorchSession(self._path, manifest=self._manifest, threads=self._threads)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operator, with the module that is running."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[_Call] = []
        self.modules = [""]
        """Paths of the modules that are running, the innermost last."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        begun_ns = time.perf_counter_ns()
        results = func(*args, **(kwargs or {}))
        ended_ns = time.perf_counter_ns()
        op = func.overloadpacket.__name__
        name = f"{_place(self.modules[-1])}/{op}_{len(self.calls)}"
        read = [each for each in args if isinstance(each, torch.Tensor)]
        written = [each for each in (results if isinstance(results, tuple) else (results,)) if torch.is_tensor(each)]
        sizes = {f"{name}<{place}": _bytes(each) for place, each in enumerate(read)}
        outputs = {f"{name}>{place}": _bytes(each) for place, each in enumerate(written)}
        node = Node(
            name=name,
            op=_ONNX_NAMES.get(op, op),
            inputs=tuple(sizes),
            outputs=tuple(outputs),
            macs=_macs(op, read, written),
            scopes="",
        )
        self.calls.append(_Call(node=node, sizes=sizes | outputs, begun_ns=begun_ns, ended_ns=ended_ns))
        return results


@contextlib.contextmanager
def _watched(session: TorchSession) -> Iterator[_Watch]:
    watch = _Watch()
    handles = []
    for path, module in session.module.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _module, _args, path=path: watch.modules.append(path)))
        handles.append(module.register_forward_hook(lambda *_: _drop(watch.modules)))
    try:
        with watch:
            yield watch
    finally:
        for handle in handles:
            handle.remove()


def _drop(modules: list[str]) -> None:
    modules.pop()


def _place(path: str) -> str:
    """Return the path of a module as exported graphs have it: what is before and in the network's own forward named."""
    if path in ("", "network"):
        return "input" if not path else "head"
    return path.removeprefix("network.")


def _kernels(calls: list[_Call]) -> tuple[KernelTime, ...]:
    return tuple(
        KernelTime(
            name=call.node.name,
            op=call.node.name.rpartition("/")[2].rpartition("_")[0],
            us=(call.ended_ns - call.begun_ns) / 1000,
            claims=(call.node.name,),
            start_us=(call.begun_ns - calls[0].begun_ns) / 1000,
        )
        for call in calls
    )


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _macs(op: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> int:
    """Count the multiply-adds of a convolution or dense layer, as :mod:`ran_deploy.profiling.graph` does."""
    # The weight is [out, in / groups, kernel…], or [out, in].
    return written[0].numel() * math.prod(read[1].shape[1:]) if op in ("conv2d", "linear") else 0
