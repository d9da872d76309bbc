"""Forms of one network that are quantized in part, all by ranges that were observed once."""

from dataclasses import dataclass
from typing import Literal

import onnx

from ran_deploy.manifest import Manifest
from ran_deploy.quant.calibrate import Ranges
from ran_deploy.quant.calibration import Calibration
from ran_deploy.quant.fp16 import normalization_nodes, to_fp16
from ran_deploy.quant.groups import home_of
from ran_deploy.quant.placement import Placement, PlacementOptions, place
from ran_deploy.quant.qdq import REDUCED_STEPS, STEPS, insert_qdq
from ran_deploy.quant.ranges import out_of_range
from ran_deploy.quant.simulate import rounding_model

LowPrecision = Literal["int8", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variants:
    """Builds a float32 model's partly quantized forms in memory."""

    model: onnx.ModelProto
    """The float32 model, prepared."""
    precision: LowPrecision
    classifier: bool
    full: Placement
    """Where Q/DQ go in the model that is quantized as a whole."""
    ranges: Ranges | None
    """For INT8."""
    reduce_range: bool = False
    """For INT8: whether weights have 7 bits."""

    def homes(self) -> dict[str, str]:
        """Return the nodes that can be in lower precision, in the graph's order, and by what each is grouped."""
        nodes = {node.name: node for node in self.model.graph.node}
        low = nodes.keys() - normalization_nodes(self.model) if self.precision == "fp16" else self._quantized()
        return {name: home_of(node.op_type, name, node.input) for name, node in nodes.items() if name in low}

    def build(self, keep: frozenset[str], *, halves: bool = False) -> onnx.ModelProto:
        """Return the model with all but the nodes of ``keep`` in lower precision.

        Args:
            keep: Names of the nodes that stay as they are.
            halves: For INT8: whether all else is float16, where its range allows.
        """
        if self.precision == "fp16":
            return to_fp16(self.model, keep)
        if self.ranges is None:
            raise ValueError("INT8 needs ranges")
        placement = place(self.model, PlacementOptions(keep=keep, classifier=self.classifier))
        # A pool's output keeps the range of the whole model's placement, so that a node's cost is the same in each.
        amax = {name: self.ranges.amax[self.full.source(name)] for name in self.full.readers}
        hot = frozenset(out_of_range(self.model, self.ranges.maxima)) if halves else frozenset()
        steps = REDUCED_STEPS if self.reduce_range else STEPS
        return insert_qdq(to_fp16(self.model, hot) if halves else self.model, placement, amax, weight_steps=steps)

    def judged(self, keep: frozenset[str], *, halves: bool = False) -> onnx.ModelProto:
        """Return the form of :meth:`build` to measure: with the rounding that a CPU leaves out of float16."""
        built = self.build(keep, halves=halves)
        return rounding_model(built) if halves or self.precision == "fp16" else built

    def _quantized(self) -> frozenset[str]:
        return frozenset(node for readers in self.full.readers.values() for node, _ in readers)


def int8_variants(
    model: onnx.ModelProto,
    source: Manifest,
    calibration: Calibration,
    *,
    classifier: bool = False,
    reduce_range: bool = False,
) -> Variants:
    """Take the ranges of a model from its calibration, for its INT8 forms.

    Args:
        model: The float32 model, prepared.
        source: Its manifest.
        calibration: Where the ranges come from.
        classifier: Whether the classifier becomes INT8 as well.
        reduce_range: Whether weights have 7 bits.

    Raises:
        RanDeployError: As the calibration's ``ranges``.
    """
    full = place(model, PlacementOptions(classifier=classifier))
    ranges = calibration.ranges(model, full.calibrated(), source)
    return Variants(
        model=model, precision="int8", classifier=classifier, full=full, ranges=ranges, reduce_range=reduce_range
    )


def fp16_variants(model: onnx.ModelProto) -> Variants:
    """Return the float16 forms of a prepared float32 model, which need no ranges."""
    return Variants(model=model, precision="fp16", classifier=True, full=place(model), ranges=None)
