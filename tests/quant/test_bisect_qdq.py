"""``graph.bisect`` across precisions: a sound Q/DQ or float16 model has no culprit, a planted fault is named."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ran_deploy.data.probes import generated_images
from ran_deploy.graph.bisect import bisect
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.placement import place
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.qdq import insert_qdq
from ran_deploy.quant.ranges import observe_ranges
from tests.quant.chain import chain_model

IMAGES = generated_images(14, 32)[6:14]


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    return prepare(chain_model())


@pytest.fixture
def quantized(network: onnx.ModelProto) -> onnx.ModelProto:
    return insert_qdq(network, place(network), observe_ranges(network, [IMAGES]))


def scale_by(model: onnx.ModelProto, name: str, factor: float) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = np.asarray(numpy_helper.to_array(tensor) * np.float32(factor), np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def test_sound_int8_has_no_culprit(network: onnx.ModelProto, quantized: onnx.ModelProto) -> None:
    result = bisect(network, quantized, IMAGES)
    assert result.first is None
    assert result.worst.precision == "int8"
    assert 25 < result.worst.sqnr_db < 100
    assert "No single node is to blame" in result.text()


def test_a_wrong_activation_scale_is_named_with_its_readers(
    network: onnx.ModelProto, quantized: onnx.ModelProto
) -> None:
    scale_by(quantized, "u2.relu1_scale", 1 / 30)
    result = bisect(network, quantized, IMAGES)
    assert result.first is not None
    assert (result.first.node, result.differing) == ("u2.relu1/DequantizeLinear", 1)
    assert result.first.feeds == ("stages.2.body.3.0/Conv",)
    assert "(read by stages.2.body.3.0/Conv)" in result.text()


def test_a_wrong_weight_scale_is_named_at_its_convolution(network: onnx.ModelProto, quantized: onnx.ModelProto) -> None:
    scale_by(quantized, "u1.b.w_dq0_scale", 2)
    result = bisect(network, quantized, IMAGES)
    assert result.first is not None
    assert (result.first.node, result.worst.node) == ("stages.1.body.3.0/Conv",) * 2


def test_the_reference_is_the_more_precise_model_whatever_the_order(
    network: onnx.ModelProto, quantized: onnx.ModelProto
) -> None:
    forward, backward = bisect(network, quantized, IMAGES), bisect(quantized, network, IMAGES)
    assert (forward.reference, backward.reference) == ("a", "b")
    assert forward.worst == backward.worst


def test_a_soft_mask_whose_sigmoid_reads_too_few_steps_is_named(
    network: onnx.ModelProto, quantized: onnx.ModelProto
) -> None:
    """Q/DQ in front of the sigmoid, with a range of ±0.5 for values that reach far beyond."""
    sigmoid = next(node for node in quantized.graph.node if node.op_type == "Sigmoid")
    place_of = list(quantized.graph.node).index(sigmoid)
    quantized.graph.initializer.append(numpy_helper.from_array(np.array(0.5 / 127, np.float32), "planted_scale"))
    names = ["planted_scale", "int8_zero"]
    pair = [
        helper.make_node("QuantizeLinear", [sigmoid.input[0], *names], ["planted_q"], name="planted/QuantizeLinear"),
        helper.make_node("DequantizeLinear", ["planted_q", *names], ["planted"], name="planted/DequantizeLinear"),
    ]
    sigmoid.input[0] = "planted"
    for node in reversed(pair):
        quantized.graph.node.insert(place_of, node)
    result = bisect(network, quantized, IMAGES)
    assert result.first is not None
    assert (result.first.node, result.first.feeds) == ("planted/DequantizeLinear", ("stages.4.mask/Sigmoid",))


def test_sound_float16_has_no_culprit_and_an_overflow_is_named(network: onnx.ModelProto) -> None:
    sound = bisect(network, to_fp16(network), IMAGES)
    assert sound.first is None
    assert sound.worst.precision == "fp16"
    assert 50 < sound.worst.sqnr_db < 100
    hot = onnx.ModelProto()
    hot.CopyFrom(network)
    scale_by(hot, "u1.a.w", 1e6)
    scale_by(hot, "u1.b.w", 1e-6)
    # The weights themselves are beyond float16, so that convolution stays in float32; its output's cast overflows.
    result = bisect(hot, to_fp16(hot), IMAGES)
    assert result.first is not None
    assert result.first.not_finite > 0
    assert (result.first.operator, result.first.sqnr_db) == ("Cast", -300)
    assert result.first.node.startswith("u1.a")
