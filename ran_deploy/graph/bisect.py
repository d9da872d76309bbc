"""``bisect``: which node makes two ONNX models differ, rather than which ones suffer from it.

Every node of the candidate is computed on the reference's own activations, so that an error is seen where it
arises and nowhere behind. A Q/DQ pair or a cast of an activation is a place of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, shape_inference

from ran_deploy.graph.isolate import Isolated, run_values, value_types
from ran_deploy.graph.match import Site, match
from ran_deploy.graph.parity import SQNR_CAP_DB, sqnr_db
from ran_deploy.optional import require
from ran_deploy.progress import Progress

LEAST_DB = {"fp32": 100.0, "fp16": 40.0, "int8": 20.0}
"""Local SQNR below which a node differs by more than its precision explains."""
_CHUNK_BYTES = 96 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDifference:
    """How much one node of the candidate differs from the reference's, on the reference's inputs."""

    node: str
    operator: str
    precision: str
    """What the node's own computation is done in: "fp32", "fp16" or "int8"."""
    feeds: tuple[str, ...]
    """For a Q/DQ pair or a cast: the nodes that read it."""
    sqnr_db: float
    """Power of its output over that of the difference, in decibels; at most 300, and -300 where it is not finite."""
    max_abs: float
    """Largest difference of a finite value."""
    not_finite: int
    """Values that are infinite or NaN where the reference's are not."""

    @property
    def differs(self) -> bool:
        """Whether the precision does not explain it."""
        return self.sqnr_db < LEAST_DB[self.precision]

    def text(self) -> str:
        """Describe it in words."""
        reads = f" (read by {', '.join(self.feeds[:2])}{'…' if len(self.feeds) > 2 else ''})" if self.feeds else ""
        broken = f", {self.not_finite} values not finite" if self.not_finite else ""
        return f"{self.node}{reads} (local SQNR {self.sqnr_db:.0f} dB, {self.precision}{broken})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectResult:
    """Where two models differ."""

    images: int
    matched_by: Literal["name", "order"]
    compared: int
    """Nodes, Q/DQ pairs and casts that were compared."""
    differing: int
    """How many of them differ by more than their precision explains."""
    reference: Literal["a", "b"]
    """The model whose activations were used: the more precise one."""
    first: NodeDifference | None
    """The first that differs, in topological order; None: there are only many small differences."""
    worst: NodeDifference
    """The one with the lowest SQNR."""

    def text(self) -> str:
        """Describe it in one sentence."""
        first = f"First differing node: {self.first.text()}" if self.first else "No single node is to blame"
        return f"{first}; worst: {self.worst.text()}"


def bisect(a: onnx.ModelProto, b: onnx.ModelProto, inputs: npt.NDArray[Any]) -> BisectResult:
    """Find the first and the worst node by which two forms of one network differ.

    Memory is bounded by running the nodes in parts of about 100 MB of activations.

    Args:
        a: One model.
        b: The other: with another weight, or in another precision (float16, Q/DQ).
        inputs: What both take, [n, …]; a few images suffice.

    Raises:
        UsageError: The models are not two forms of one network, or do not take ``inputs``.
        MissingError: ONNX Runtime is not installed.
    """
    require("onnxruntime", "The search for the node that differs")
    swapped = _coarseness(a) > _coarseness(b)
    reference, candidate = (b, a) if swapped else (a, b)
    matching = match(reference, candidate)
    isolated = Isolated(candidate, [site.value for site in matching.sites])
    origin = {site.value: site.reference for site in matching.sites}
    found: list[NodeDifference] = []
    with Progress("bisect", len(matching.sites), "nodes") as progress:
        for part in _parts(reference, matching.sites, len(inputs)):
            needed = {site.value: isolated.needs(site.value) for site in part}
            wanted = {site.reference for site in part} | {origin[name] for names in needed.values() for name in names}
            expected = _activations(reference, sorted(wanted), inputs)
            given = {name: expected[origin[name]] for names in needed.values() for name in names}
            actual = isolated.run(needed, given, inputs)
            found.extend(
                _difference(site, isolated.precision(site.value), expected[site.reference], actual[site.value])
                for site in part
            )
            progress.advance(len(part))
    differing = [difference for difference in found if difference.differs]
    return BisectResult(
        images=len(inputs),
        matched_by=matching.by,
        compared=len(found),
        differing=len(differing),
        reference="b" if swapped else "a",
        first=differing[0] if differing else None,
        worst=min(found, key=lambda difference: difference.sqnr_db),
    )


def _coarseness(model: onnx.ModelProto) -> tuple[int, int]:
    halves = sum(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return sum(node.op_type == "DequantizeLinear" for node in model.graph.node), halves


def _difference(site: Site, precision: str, expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> NodeDifference:
    sound = np.isfinite(expected)
    broken = int((sound & ~np.isfinite(actual)).sum())
    known = sound & np.isfinite(actual)
    signal = expected[known].astype(np.float64)
    gap = np.abs(actual[known].astype(np.float64) - signal)
    return NodeDifference(
        node=site.node,
        operator=site.operator,
        precision=precision,
        feeds=site.feeds,
        sqnr_db=-SQNR_CAP_DB if broken or not known.any() else sqnr_db(signal, gap),
        max_abs=float(gap.max(initial=0)),
        not_finite=broken,
    )


def _activations(model: onnx.ModelProto, names: list[str], inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    types = value_types(model)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_tensor_value_info(name, types[name], None) for name in names)
    return run_values(probed, names, {model.graph.input[0].name: inputs})


def _parts(model: onnx.ModelProto, sites: tuple[Site, ...], images: int) -> Iterator[list[Site]]:
    """Split the sites into runs whose activations fit into the memory allowed, at least one each."""
    graph = shape_inference.infer_shapes(model).graph
    sizes = {value.name: _bytes(value, images) for value in (*graph.value_info, *graph.output)}
    part: list[Site] = []
    held = 0
    for site in sites:
        size = sizes.get(site.reference, _CHUNK_BYTES)
        if part and held + size > _CHUNK_BYTES:
            yield part
            part, held = [], 0
        part.append(site)
        held += size
    if part:
        yield part


def _bytes(value: onnx.ValueInfoProto, images: int) -> int:
    sides = [dim.dim_value or images for dim in value.type.tensor_type.shape.dim]
    return 4 * int(np.prod(sides, dtype=np.int64))
