"""What the lint of Q/DQ models says of one node."""

from dataclasses import dataclass
from typing import Literal

import onnx

from ran_deploy.quant.qdq_view import label

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a node breaks."""

    rule: str
    """Identifier, such as "bias-quantized"."""
    severity: Severity
    """error: TensorRT refuses the model, computes other numbers than ONNX says, or leaves the layer in float;
    warning: it costs accuracy or speed; info: a chance that is not taken."""
    node: str
    """Name of the node; of an unnamed one, its operator and first output."""
    message: str
    fix: str


def finding(rule: str, severity: Severity, node: onnx.NodeProto, message: str, fix: str) -> Finding:
    """Return a finding on a node."""
    return Finding(rule=rule, severity=severity, node=label(node), message=message, fix=fix)
