"""Q/DQ graphs: valid, right to the bit where that can be said, runnable, lint-free, and built by TensorRT-RTX."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.errors import UsageError
from ran_deploy.manifest import Precision
from ran_deploy.quant.compute import compute_types
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.lint import lint
from ran_deploy.quant.placement import PlacementOptions, place
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.qdq import REDUCED_STEPS, insert_qdq, quantize_weights, require_half_scales
from ran_deploy.quant.ranges import observe_ranges
from tests.quant.small import publish_model

IMAGES = np.random.default_rng(3).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)


def quantize(model: onnx.ModelProto, *, half: bool = False, classifier: bool = False) -> onnx.ModelProto:
    prepared = prepare(model)
    placement = place(prepared, PlacementOptions(classifier=classifier))
    ranges = observe_ranges(prepared, [IMAGES])
    return insert_qdq(to_fp16(prepared) if half else prepared, placement, ranges)


def run(model: onnx.ModelProto) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits: np.ndarray = session.run(None, {"images": IMAGES})[0]
    return logits


def sqnr_db(expected: np.ndarray, actual: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((actual - expected) ** 2).sum()))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("classifier", [False, True])
def test_it_answers_nearly_as_the_float_model(attention: onnx.ModelProto, half: bool, classifier: bool) -> None:
    quantized = quantize(attention, half=half, classifier=classifier)
    assert sqnr_db(run(attention), run(quantized)) > 18
    rest = "fp16" if half else "fp32"
    assert compute_types(quantized) == ({"int8": 110} if classifier else {rest: 1, "int8": 109})


@pytest.mark.parametrize("half", [False, True])
def test_the_lint_has_nothing_to_say(attention: onnx.ModelProto, half: bool) -> None:
    assert lint(quantize(attention, half=half, classifier=True)) == ()


def test_one_pair_for_each_activation(attention: onnx.ModelProto) -> None:
    quantized = quantize(attention)
    sources = [node.input[0] for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
    assert len(sources) == len(set(sources)) == len(place(prepare(attention)).readers)


def test_scales_zero_points_and_types(attention: onnx.ModelProto) -> None:
    quantized = quantize(attention)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.graph.initializer}
    for node in quantized.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert tensors[node.input[2]].dtype == np.int8
            assert not tensors[node.input[2]].any()
            assert (tensors[node.input[1]] > 0).all()
        if node.op_type == "Conv" and len(node.input) > 2:
            assert tensors[node.input[2]].dtype == np.float32


def test_a_max_pool_keeps_its_inputs_scale(attention: onnx.ModelProto) -> None:
    quantized = quantize(attention)
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.graph.initializer}
    pools = [node for node in quantized.graph.node if node.op_type == "MaxPool"]
    assert len(pools) == 6
    for node in pools:
        before = node.input[0].removesuffix("_dq")
        assert scales[f"{node.output[0]}_scale"] == scales[f"{before}_scale"]


def test_weights_are_rounded_to_the_nearest_of_255_steps() -> None:
    weights = np.array([[[[1.0]], [[-0.5]]], [[[0.02]], [[0.0]]], [[[0.0]], [[0.0]]]], np.float32)
    steps, scales = quantize_weights(weights, 0)
    assert steps.reshape(3, 2).tolist() == [[127, -64], [127, 0], [0, 0]]
    np.testing.assert_allclose(scales, [1 / 127, 0.02 / 127, 1 / 127], rtol=1e-6)
    random = np.random.default_rng(0).normal(size=(8, 4, 3, 3)).astype(np.float32)
    steps, scales = quantize_weights(random, 0)
    wide = scales.reshape(-1, 1, 1, 1)
    assert np.abs(steps * wide - random).max() <= scales.max() / 2 * 1.0001
    assert np.abs(steps).reshape(8, -1).max(axis=1).tolist() == [127] * 8


def test_weights_in_seven_bits_keep_their_values_with_a_wider_step() -> None:
    steps, scales = quantize_weights(np.array([[1.0, -0.25], [0.02, 0.0]], np.float32), 0, REDUCED_STEPS)
    assert steps.tolist() == [[63, -16], [63, 0]]
    np.testing.assert_allclose(scales, [1 / 63, 0.02 / 63], rtol=1e-6)


def test_float16_scales_stay_normal() -> None:
    steps, scales = quantize_weights(np.array([[1e-4], [1.0]], np.float16), 0)
    assert scales[0] == 2.0**-14
    assert steps[0, 0] == 2


@pytest.mark.parametrize(("transposed", "axis"), [(0, 1), (1, 0)])
def test_the_classifiers_scales_follow_its_outputs(model: onnx.ModelProto, transposed: int, axis: int) -> None:
    (gemm,) = (node for node in model.graph.node if node.op_type == "Gemm")
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "fc_w")
    if not transposed:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), "fc_w"))
        gemm.attribute[0].i = 0
    expected = run(model)
    quantized = quantize(model, classifier=True)
    (pair,) = (node for node in quantized.graph.node if node.output[0] == gemm.input[1] + f"_dq{axis}")
    assert helper.get_node_attr_value(pair, "axis") == axis
    assert sqnr_db(expected, run(quantized)) > 25


def test_shared_weights_are_stored_once(model: onnx.ModelProto) -> None:
    second = helper.make_node("Conv", ["mask", "mask_w"], ["mask2"], name="mask_again")
    position = next(place for place, node in enumerate(model.graph.node) if node.name == "mask")
    model.graph.node[position + 1].input[0] = "mask2"
    model.graph.node.insert(position + 1, second)
    quantized = quantize(model)
    stored = [tensor for tensor in quantized.graph.initializer if tensor.data_type == TensorProto.INT8]
    assert sum(list(tensor.dims) == [8, 8, 1, 1] for tensor in stored) == 1
    assert compute_types(quantized) == {"fp32": 1, "int8": 3}


def test_a_dead_activation_gets_a_finite_scale(model: onnx.ModelProto) -> None:
    prepared = prepare(model)
    placement = place(prepared)
    quantized = insert_qdq(prepared, placement, dict.fromkeys(placement.calibrated(), 0.0))
    assert np.isfinite(run(quantized)).all()


def test_float16_scales_need_opset_19(model: onnx.ModelProto) -> None:
    require_half_scales(model)
    model.opset_import[0].version = 18
    with pytest.raises(UsageError, match="opset 18; float16 scales need 19"):
        require_half_scales(model)


@pytest.mark.parametrize("targets", [(), ("sm86",), ("sm89",)])
@pytest.mark.parametrize("half", [False, True])
def test_tensorrt_builds_it_in_int8(
    attention: onnx.ModelProto, half: bool, targets: tuple[str, ...], tmp_path: Path
) -> None:
    asked = Precision(asked="int8", kept=("classifier/Gemm",))
    path = publish_model(quantize(attention, half=half), tmp_path / "int8.onnx", asked)
    plan = build_engine(path, options=BuildOptions(targets=targets))
    assert plan.manifest.precision.obtained == {"fp16" if half else "fp32": 1, "int8": 109}
