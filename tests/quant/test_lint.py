"""Each rule of the lint on a graph that breaks it, sound graphs, and what other tools and TensorRT make of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ran_deploy.quant.lint import lint
from tests.quant.qdq_graphs import CHANNELS, Graph, sound
from tests.quant.small import small_model

HALF_SCALE = np.float16(0.05)
BROKEN: dict[str, tuple[str, str, str, Callable[[Graph], str]]] = {}
"""By case: rule, severity, the node that it names, and the graph."""


def breaks(rule: str, severity: str, node: str) -> Callable[[Callable[[Graph], str]], Callable[[Graph], str]]:
    def register(build: Callable[[Graph], str]) -> Callable[[Graph], str]:
        BROKEN[build.__name__] = (rule, severity, node, build)
        return build

    return register


@breaks("not-int8", "error", "act_q")
def uint8_activation(g: Graph) -> str:
    return g.conv(g.qdq("x", zero=np.uint8(0), name="act"))


@breaks("not-int8", "error", "act_q")
def int16_activation(g: Graph) -> str:
    return g.conv(g.qdq("x", zero=np.int16(0), name="act"))


@breaks("not-int8", "error", "bare")
def no_zero_point_is_uint8(g: Graph) -> str:
    scale = g.constant(np.float32(0.05))
    return g.conv(g.op("DequantizeLinear", g.op("QuantizeLinear", "x", scale, name="bare"), scale))


@breaks("other-type", "info", "act_q")
def float8_activation(g: Graph) -> str:
    zero = np.zeros((), helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN))
    return g.conv(g.qdq("x", zero=zero, name="act"))


@breaks("asymmetric", "error", "act_q")
def zero_point(g: Graph) -> str:
    return g.conv(g.qdq("x", zero=np.int8(3), name="act"))


@breaks("asymmetric", "error", "w_q")
def weights_with_a_zero_point(g: Graph) -> str:
    stored = g.constant(g.random(CHANNELS, CHANNELS, 3, 3))
    scales, zeros = np.full(CHANNELS, 0.03, np.float32), np.array([0, 0, 4, 0], np.int8)
    return g.conv(g.qdq("x"), g.qdq(stored, scales, zeros, name="w", axis=0))


@breaks("weights-per-tensor", "warning", "w_dq")
def one_scale_for_all_weights(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.qdq(g.constant(g.random(CHANNELS, CHANNELS, 3, 3)), np.float32(0.03), name="w"))


@breaks("weights-axis", "error", "weights_dq")
def weights_along_the_inputs(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.weights(axis=1, name="weights"))


@breaks("weights-axis", "error", "weights_dq")
def classifier_along_its_inputs(g: Graph) -> str:
    return g.op("Gemm", g.qdq(g.op("Flatten", "x")), g.weights(CHANNELS * 64, 10, axis=0, name="weights"))


@breaks("activation-per-channel", "error", "act_dq")
def activation_per_channel(g: Graph) -> str:
    scales = np.full(CHANNELS, 0.05, np.float32)
    return g.conv(g.qdq("x", scales, np.zeros(CHANNELS, np.int8), name="act", axis=1))


@breaks("bias-quantized", "error", "bias")
def int32_bias(g: Graph) -> str:
    bias = g.op("DequantizeLinear", g.constant(np.arange(4, dtype=np.int32)), g.constant(np.float32(0.1)), name="bias")
    return g.conv(g.qdq("x"), bias=bias)


@breaks("bias-quantized", "warning", "b_dq")
def int8_bias(g: Graph) -> str:
    return g.conv(g.qdq("x"), bias=g.qdq(g.constant(g.random(CHANNELS)), name="b"))


@breaks("half-quantized", "error", "half")
def only_the_activation(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.constant(g.random(CHANNELS, CHANNELS, 3, 3)), name="half")


@breaks("half-quantized", "error", "half")
def only_the_weights(g: Graph) -> str:
    return g.conv("x", name="half")


@breaks("conv-activation-split", "warning", "out_q")
def between_conv_and_relu(g: Graph) -> str:
    return g.conv(g.qdq(g.op("Relu", g.qdq(g.conv(g.qdq("x")), name="out"))))


@breaks("conv-activation-split", "warning", "out_q")
def between_conv_and_its_bn(g: Graph) -> str:
    ones = [g.constant(np.ones(CHANNELS, np.float32)) for _ in range(4)]
    return g.conv(g.qdq(g.op("Relu", g.op("BatchNormalization", g.qdq(g.conv(g.qdq("x")), name="out"), *ones))))


@breaks("output-quantized", "warning", "out_q")
def the_logits(g: Graph) -> str:
    return g.qdq(g.conv(g.qdq("x")), name="out")


@breaks("output-quantized", "warning", "out_q")
def in_front_of_a_sigmoid(g: Graph) -> str:
    return g.op("Sigmoid", g.qdq(g.conv(g.qdq("x")), name="out"))


@breaks("residual-add", "warning", "join")
def both_operands(g: Graph) -> str:
    skip = g.op("Relu", "x")
    return g.conv(g.qdq(g.op("Add", g.qdq(g.conv(g.qdq(skip))), g.qdq(skip), name="join")))


@breaks("residual-add", "warning", "join")
def no_operand(g: Graph) -> str:
    skip = g.op("Relu", "x")
    return g.conv(g.qdq(g.op("Add", g.conv(g.qdq(skip)), skip, name="join")))


@breaks("residual-add", "warning", "join")
def the_wrong_operand(g: Graph) -> str:
    skip = g.op("Relu", "x")
    return g.conv(g.qdq(g.op("Add", g.qdq(g.conv(g.qdq(skip))), skip, name="join")))


@breaks("requantized", "warning", "again_q")
def twice_with_other_scales(g: Graph) -> str:
    return g.conv(g.qdq(g.qdq("x"), np.float32(0.07), name="again"))


@breaks("requantized", "info", "again_q")
def twice_with_one_scale(g: Graph) -> str:
    return g.conv(g.qdq(g.qdq("x"), name="again"))


@breaks("pair-differs", "error", "act_dq")
def other_scale_on_the_way_back(g: Graph) -> str:
    return g.conv(g.qdq("x", back=np.float32(0.06), name="act"))


@breaks("unpaired", "warning", "lone")
def quantized_only(g: Graph) -> str:
    scale, zero = g.constant(np.float32(0.05)), g.constant(np.int8(0))
    return g.op("Cast", g.op("QuantizeLinear", "x", scale, zero, name="lone"), to=TensorProto.FLOAT, name="cast")


@breaks("unpaired", "warning", "lone")
def dequantized_only(g: Graph) -> str:
    scale, zero = g.constant(np.float32(0.05)), g.constant(np.int8(0))
    integers = g.op("Sign", g.op("Cast", "x", to=TensorProto.INT8))
    return g.conv(g.op("DequantizeLinear", integers, scale, zero, name="lone"))


@breaks("scale-dynamic", "error", "act")
def scale_from_the_data(g: Graph) -> str:
    scale, zero = g.op("ReduceMax", "x", keepdims=0), g.constant(np.int8(0))
    return g.conv(g.op("DequantizeLinear", g.op("QuantizeLinear", "x", scale, zero, name="act"), scale, zero))


@breaks("scale-invalid", "error", "act_q")
def scale_of_zero(g: Graph) -> str:
    return g.conv(g.qdq("x", np.float32(0), name="act"))


@breaks("scale-invalid", "error", "act_q")
def negative_scale(g: Graph) -> str:
    return g.conv(g.qdq("x", np.float32(-0.1), name="act"))


@breaks("scale-invalid", "error", "act_q")
def scale_that_is_no_number(g: Graph) -> str:
    return g.conv(g.qdq("x", np.float32("nan"), name="act"))


@breaks("scale-invalid", "error", "weights_q")
def infinite_weight_scale(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.weights(gain=float("inf"), name="weights"))


@breaks("scale-absurd", "warning", "act_q")
def scale_of_dead_values(g: Graph) -> str:
    return g.conv(g.qdq("x", np.float32(1e-30), name="act"))


@breaks("scale-count", "error", "w_q")
def too_few_scales(g: Graph) -> str:
    scales = np.full(3, 0.03, np.float32)
    stored = g.constant(g.random(CHANNELS, CHANNELS, 3, 3))
    return g.conv(g.qdq("x"), g.qdq(stored, scales, np.zeros(3, np.int8), name="w", axis=0))


@breaks("weights-clipped", "warning", "weights_q")
def scale_too_small_for_the_weights(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.weights(gain=0.5, name="weights"))


@breaks("weights-coarse", "warning", "weights_q")
def scale_too_large_for_the_weights(g: Graph) -> str:
    return g.conv(g.qdq("x"), g.weights(gain=8, name="weights"))


@breaks("fp16-scale-subnormal", "warning", "act_q")
def half_scale_without_its_bits(g: Graph) -> str:
    half = g.op("Cast", "x", to=TensorProto.FLOAT16)
    return g.conv(g.op("Cast", g.qdq(half, np.float16(1e-6), name="act"), to=TensorProto.FLOAT))


@breaks("float-output", "warning", "pool")
def pool_from_int8_to_float(g: Graph) -> str:
    return g.op("Sigmoid", g.op("MaxPool", g.qdq("x"), kernel_shape=[2, 2], name="pool"))


@breaks("float-island", "info", "island")
def float_between_int8(g: Graph) -> str:
    first = g.op("Relu", g.conv(g.qdq("x")))
    island = g.op("Relu", g.conv(first, g.constant(g.random(CHANNELS, CHANNELS, 3, 3)), name="island"))
    return g.conv(g.qdq(island))


@breaks("duplicate-name", "error", "twice")
def one_name_for_two_nodes(g: Graph) -> str:
    return g.conv(g.qdq(g.op("Relu", g.conv(g.qdq("x"), name="twice"))), name="twice")


@breaks("operator-format", "error", "fused")
def fused_integer_operator(g: Graph) -> str:
    scale, zero = g.constant(np.float32(0.05)), g.constant(np.int8(0))
    weights = g.constant(np.ones((CHANNELS, CHANNELS, 1, 1), np.int8))
    quantized = g.op("QuantizeLinear", "x", scale, zero)
    result = g.op("QLinearConv", quantized, scale, zero, weights, scale, zero, scale, zero, name="fused")
    return g.op("DequantizeLinear", result, scale, zero)


@breaks("operator-format", "error", "fused")
def integer_convolution(g: Graph) -> str:
    quantized = g.op("QuantizeLinear", "x", g.constant(np.float32(0.05)), g.constant(np.int8(0)))
    weights = g.constant(np.ones((CHANNELS, CHANNELS, 1, 1), np.int8))
    return g.op("Cast", g.op("ConvInteger", quantized, weights, name="fused"), to=TensorProto.FLOAT)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_the_only_one_named(case: str) -> None:
    rule, severity, node, build = BROKEN[case]
    g = Graph()
    findings = lint(g.model(build(g)))
    assert [(finding.rule, finding.severity, finding.node) for finding in findings] == [(rule, severity, node)]
    assert findings[0].message.endswith((".", ")"))
    assert findings[0].fix.endswith((".", ")"))


def test_float16_scales_need_opset_19() -> None:
    for opset, rules in ((17, ["fp16-scale-opset"]), (20, [])):
        g = Graph()
        half = g.op("Cast", "x", to=TensorProto.FLOAT16)
        output = g.conv(g.op("Cast", g.qdq(half, HALF_SCALE), to=TensorProto.FLOAT))
        assert [finding.rule for finding in lint(g.model(output, opset))] == rules


def test_a_sound_model_has_no_finding() -> None:
    assert lint(sound()) == ()


def sound_variants() -> Iterator[Any]:
    g = Graph()
    stored = g.constant(np.full((CHANNELS, CHANNELS, 3, 3), 100, np.int8))
    scales, zeros = g.constant(np.full(CHANNELS, 0.01, np.float32)), g.constant(np.zeros(CHANNELS, np.int8))
    integers = g.op("DequantizeLinear", stored, scales, zeros, axis=0)
    yield pytest.param(g.model(g.conv(g.qdq("x"), integers)), id="weights stored as int8")
    g = Graph()
    flat = g.op("Flatten", g.qdq("x"))
    turned = g.op("Transpose", g.weights(10, CHANNELS * 64), perm=[1, 0])
    yield pytest.param(g.model(g.op("MatMul", flat, turned)), id="reshaped behind Q/DQ, weights transposed")
    g = Graph()
    start = g.op("Relu", "x")
    shortcut, main = g.conv(g.qdq(start)), g.conv(g.qdq(start))
    yield pytest.param(g.model(g.conv(g.qdq(g.op("Add", main, g.qdq(shortcut))))), id="convolution on the shortcut")
    g = Graph()
    ones = [g.constant(np.ones(CHANNELS, np.float32)) for _ in range(4)]
    shared = g.conv(g.qdq("x"))
    preactivated = g.op("Relu", g.op("BatchNormalization", g.qdq(shared), *ones))
    added = g.op("Add", g.conv(g.qdq(preactivated)), g.qdq(shared))
    yield pytest.param(g.model(g.conv(g.qdq(added))), id="pre-activation BN behind a shared convolution")


@pytest.mark.parametrize("model", list(sound_variants()))
def test_other_sound_forms_have_no_finding(model: onnx.ModelProto) -> None:
    assert lint(model) == ()


def test_a_float_model_is_said_to_be_one() -> None:
    (finding,) = lint(small_model())
    assert (finding.rule, finding.severity) == ("not-quantized", "info")


def test_errors_come_first() -> None:
    g = Graph()
    pooled = g.op("MaxPool", g.qdq("x"), kernel_shape=[2, 2])
    findings = lint(g.model(g.conv(g.qdq(g.op("Sigmoid", pooled), zero=np.uint8(0)))))
    assert [finding.severity for finding in findings] == ["error", "warning"]


def test_a_graph_that_makes_no_sense_is_survived() -> None:
    model = sound()
    nodes = model.graph.node
    nodes[0].input[0] = nodes[-1].output[0]  # a cycle
    del nodes[1].input[1:]
    nodes[3].name = ""
    del model.graph.initializer[:4]
    assert lint(model)


def quantized_by_onnxruntime(folder: Path, **options: Any) -> onnx.ModelProto:
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(1)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._left = iter([rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8) for _ in range(2)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            images = next(self._left, None)
            return None if images is None else {"images": images}

    kinds = dict.fromkeys(("activation_type", "weight_type"), quantization.QuantType.QInt8)
    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(small_model(), source)
    quantization.quantize_static(source, target, Reader(), **({**kinds, **options} if options else {}))
    return onnx.load(target)


def test_the_defaults_of_onnxruntime_are_refused(tmp_path: Path) -> None:
    findings = lint(quantized_by_onnxruntime(tmp_path))
    assert {finding.rule for finding in findings if finding.severity == "error"} == {"asymmetric", "bias-quantized"}


EXTRA = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "AddQDQPairToWeight": True,
    "QuantizeBias": False,
}


def test_its_settings_for_tensorrt_have_no_error_and_one_of_them_keeps_relu_fused(tmp_path: Path) -> None:
    split = lint(quantized_by_onnxruntime(tmp_path, per_channel=True, extra_options=EXTRA))
    kept = {**EXTRA, "OpTypesToExcludeOutputQuantization": ["Conv", "Gemm", "MatMul", "Add", "Mul"]}
    good = lint(quantized_by_onnxruntime(tmp_path, per_channel=True, extra_options=kept))
    assert "output-quantized" in {finding.rule for finding in split}
    assert "output-quantized" not in {finding.rule for finding in good}
    assert not [finding for finding in (*split, *good) if finding.severity == "error"]


REFUSED = (
    "zero_point",
    "weights_with_a_zero_point",
    "int16_activation",
    "int32_bias",
    "scale_of_zero",
    "negative_scale",
)


@pytest.mark.parametrize("case", ["sound", *REFUSED, "fused_integer_operator", "integer_convolution"])
def test_tensorrt_rtx_refuses_what_the_lint_says_it_does(case: str) -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    g = Graph()
    model = sound() if case == "sound" else g.model(BROKEN[case][3](g))
    logger = rtx.Logger(rtx.Logger.INTERNAL_ERROR)
    network = rtx.Builder(logger).create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert rtx.OnnxParser(network, logger).parse(model.SerializeToString()) == (case == "sound")
