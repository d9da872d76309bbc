"""This machine's roofline: what any kernel could reach at best, measured here and now.

Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009: a
kernel needs at least max(operations / peak, bytes / bandwidth).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.optional import require

# Each measurement is short, a few ms: on a busy machine some then run undisturbed.
_SIDE = 512
_TENSORS = ((256 << 10, 64), (2 << 20, 8), (32 << 20, 1))
"""Bytes of a tensor, and how many sums make one measurement: the inner caches, the outer one, the memory."""
_OPERANDS = 3  # a sum reads two tensors and writes one
_SMALL = 1e-3
_GIGA = 1e9
_US_PER_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """How fast data moves that a working set of some size holds."""

    working_set_bytes: int
    gbytes_per_s: float
    """10⁹ bytes per second, read and written together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """The best that was measured, through ONNX Runtime in float32, with as many threads as the engine has."""

    threads: int
    gflops: float
    """10⁹ operations per second in matrix products of 512 × 512; a multiply-add counts as two."""
    bandwidths: tuple[Bandwidth, ...]
    """In sums of tensors; the smallest working set first. The last comes from memory, the others from caches."""

    def bound_us(self, macs: int, moved: int) -> float:
        """Return the least time in µs of a kernel with this many multiply-adds that moves this many bytes."""
        return max(2 * macs / self.gflops, moved / self.bandwidth(moved)) / _GIGA * _US_PER_S

    def bandwidth(self, moved: int) -> float:
        """Return the bandwidth in GB/s that a kernel which moves this many bytes is held against.

        It is that of the smallest working set that is not smaller.
        """
        fitting = (level.gbytes_per_s for level in self.bandwidths if moved <= level.working_set_bytes)
        return next(fitting, self.bandwidths[-1].gbytes_per_s)


class RooflineMeter:
    """Measures peak and bandwidths; probed several times, it keeps the best, which other programs disturbed least.

    Args:
        threads: Threads of ONNX Runtime.

    Raises:
        MissingError: ONNX Runtime is not installed.
    """

    def __init__(self, threads: int) -> None:
        require("onnxruntime", "Measuring the roofline of this machine")
        self._threads = threads
        self._product = _Chain("MatMul", 1, (_SIDE, _SIDE), threads)
        self._sums = [_Chain("Add", count, (size // 4,), threads) for size, count in _TENSORS]

    def probe(self, budget_s: float) -> None:
        """Measure for about four times ``budget_s`` seconds, at least once."""
        for chain in (self._product, *self._sums):
            chain.probe(budget_s)

    def result(self) -> Roofline:
        """Return the best of all probes."""
        levels: list[Bandwidth] = []
        fastest = 0.0
        for chain, (size, count) in reversed(list(zip(self._sums, _TENSORS, strict=True))):
            # What a large working set reaches, a smaller one can, too.
            fastest = max(fastest, _OPERANDS * size * count / chain.best_s / _GIGA)
            levels.insert(0, Bandwidth(working_set_bytes=_OPERANDS * size, gbytes_per_s=fastest))
        return Roofline(
            threads=self._threads, gflops=2 * _SIDE**3 / self._product.best_s / _GIGA, bandwidths=tuple(levels)
        )


class _Chain:
    """A model that applies an operator again and again: x ← op(x, y), with a constant y, as weights are."""

    def __init__(self, op: str, count: int, shape: tuple[int, ...], threads: int) -> None:
        import onnxruntime as ort  # type: ignore[import-untyped]

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        model = _model(op, count, shape)
        self._session: Any = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._feed = {"x": np.full(shape, _SMALL, np.float32)}
        self._session.run(None, self._feed)
        self.best_s = float("inf")

    def probe(self, budget_s: float) -> None:
        begun = now = time.perf_counter()
        while True:
            self._session.run(None, self._feed)
            started, now = now, time.perf_counter()
            self.best_s = min(self.best_s, now - started)
            if now - begun >= budget_s:
                return


def _model(op: str, count: int, shape: tuple[int, ...]) -> bytes:
    names = ["x", *(f"x{step}" for step in range(1, count)), "out"]
    nodes = [helper.make_node(op, [names[step], "y"], [names[step + 1]]) for step in range(count)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "out")]
    # Small values: sums stay normal numbers, and products go to zero and not to infinity, which may be slower.
    constant = numpy_helper.from_array(np.full(shape, _SMALL, np.float32), "y")
    graph = helper.make_graph(nodes, op, ends[:1], ends[1:], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())
