"""How OpenVINO computes an attention module's output fastest: (1 + M)·T, rather than the exported T + M·T.

Wang et al. 2017, equation 3, in the two forms that are equal but for rounding. ONNX Runtime keeps its blocked memory
layout only through T + M·T, so that is what files hold. OpenVINO fuses 1 + M into the sigmoid before it, and runs one
kernel less for each module (benchmarks/README.md).
"""

from typing import Any


def factor_masks(model: Any) -> int:
    """Rewrite each T + M·T of an OpenVINO model in place where nothing else reads M·T; return how many there were."""
    from openvino import opset13  # type: ignore[import-untyped]

    found = 0
    for total in model.get_ordered_ops():
        parts = _mask_and_trunk(total)
        if parts is None:
            continue
        mask, trunk, product = parts
        raised = opset13.add(mask, opset13.constant(1, mask.get_element_type()))
        result = opset13.multiply(trunk, raised)
        # The names stay with what computes the values' counterparts: profiles are told by them.
        raised.set_friendly_name(product.get_friendly_name())
        result.set_friendly_name(total.get_friendly_name())
        total.output(0).replace(result.output(0))
        found += 1
    return found


def _mask_and_trunk(total: Any) -> tuple[Any, Any, Any] | None:
    """Return M, T and the node of M·T, if a node is T + M·T."""
    if total.get_type_name() != "Add":
        return None
    terms = [total.input_value(place) for place in range(2)]
    for trunk, term in (terms, terms[::-1]):
        product = term.get_node()
        if product.get_type_name() != "Multiply" or len(term.get_target_inputs()) != 1:
            continue
        factors = [product.input_value(place) for place in range(2)]
        if trunk in factors:
            mask = factors[1 - factors.index(trunk)]
            if mask.get_partial_shape() == trunk.get_partial_shape():
                return mask, trunk, product
    return None
