"""``lint``: whether a quantized ONNX model is one that TensorRT runs in INT8, fast and with the right numbers."""

from collections.abc import Callable, Iterator

import onnx

from ran_deploy.quant import lint_placement, lint_scales, lint_types
from ran_deploy.quant.finding import Finding
from ran_deploy.quant.qdq_view import DEQUANTIZE, QUANTIZE, GraphView

Rule = Callable[[GraphView], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    lint_placement.operator_format,
    lint_placement.names,
    lint_scales.scales,
    lint_scales.weight_ranges,
    lint_types.types,
    lint_types.pairs,
    lint_types.channels,
    lint_placement.biases,
    lint_placement.half_quantized,
    lint_placement.outputs,
    lint_placement.residual_adds,
    lint_placement.passing,
    lint_placement.islands,
)
_ORDER = {"error": 0, "warning": 1, "info": 2}


def lint(model: onnx.ModelProto) -> tuple[Finding, ...]:
    """Check a Q/DQ model, whoever made it, against the rules of TensorRT's explicit quantization.

    Only the main graph is read, not subgraphs and functions; the model need not be valid.

    Returns:
        The findings, errors first; none for a model that keeps every rule.
    """
    view = GraphView(model)
    found = {finding: None for rule in RULES for finding in rule(view)}
    if not found and not any(view.of_type(QUANTIZE, DEQUANTIZE)):
        return (
            Finding(
                rule="not-quantized",
                severity="info",
                node="",
                message="The model has no Q/DQ nodes.",
                fix="Quantize it with: ran-deploy quantize --precision int8",
            ),
        )
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))
