"""T + M·T as (1 + M)·T: the same answers, and nothing else is touched."""

import importlib
from typing import Any

import numpy as np
import pytest

from ran_deploy.runtime.openvino_factor import factor_masks
from tests.with_openvino import require_openvino

openvino = require_openvino()
opset13 = importlib.import_module("openvino.opset13")


def _compute(model: Any, *inputs: Any) -> Any:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(dict(enumerate(inputs)))[0]


def _types(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_every_module_of_a_network_is_rewritten_and_the_logits_stay(engines: Any) -> None:
    model = openvino.Core().read_model(engines.onnx)
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected, names = _compute(model.clone(), images), {node.get_friendly_name() for node in model.get_ops()}
    modules = _types(model).count("Sigmoid")
    assert factor_masks(model) == modules > 0
    np.testing.assert_allclose(_compute(model, images), expected, atol=1e-5)
    assert names <= {node.get_friendly_name() for node in model.get_ops()}  # profiles tell parts by them
    assert factor_masks(model) == 0


@pytest.mark.parametrize("trunk_first", [True, False])
@pytest.mark.parametrize("product_first", [True, False])
def test_either_order_of_the_operands(trunk_first: bool, product_first: bool) -> None:
    trunk, mask = (opset13.parameter([-1, 4], np.float32) for _ in range(2))
    product = opset13.multiply(*((trunk, mask) if trunk_first else (mask, trunk)))
    total = opset13.add(*((product, trunk) if product_first else (trunk, product)))
    model = openvino.Model([total], [trunk, mask])
    t, m = np.random.default_rng(2).random((2, 3, 4), dtype=np.float32)
    assert factor_masks(model) == 1
    np.testing.assert_allclose(_compute(model, t, m), (1 + m) * t, rtol=1e-6)


def test_a_product_that_is_read_elsewhere_or_is_of_something_else_stays() -> None:
    a, b, c = (opset13.parameter([2, 4], np.float32) for _ in range(3))
    product = opset13.multiply(a, b)
    shared = openvino.Model([opset13.add(a, product), opset13.relu(product)], [a, b])
    foreign = openvino.Model([opset13.add(c, opset13.multiply(a, b))], [a, b, c])
    broad = opset13.parameter([2, 1], np.float32)
    channelwise = openvino.Model([opset13.add(a, opset13.multiply(a, broad))], [a, broad])
    for model in (shared, foreign, channelwise):
        before = _types(model)
        assert factor_masks(model) == 0
        assert _types(model) == before
