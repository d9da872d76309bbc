"""The float16 pass: few casts, the same answers, nothing lost in silence."""

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.data.probes import generated_images
from ran_deploy.errors import UsageError
from ran_deploy.quant.compute import compute_types
from ran_deploy.quant.fp16 import normalization_nodes, to_fp16, weight_report


def run(model: onnx.ModelProto) -> npt.NDArray[np.float32]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": generated_images(16, 32)})[0])


def casts(model: onnx.ModelProto) -> list[tuple[str, str]]:
    return [(node.input[0], node.output[0]) for node in model.graph.node if node.op_type == "Cast"]


def test_two_casts_and_the_same_answers(model: onnx.ModelProto) -> None:
    half = to_fp16(model)
    assert casts(half) == [("images", "float"), ("normal", "normal_fp16"), ("logits_fp16", "logits")]
    assert compute_types(half) == {"fp16": 3}
    assert np.abs(run(half) - run(model)).max() < 5e-3


def test_inputs_and_outputs_keep_their_types(model: onnx.ModelProto) -> None:
    half = to_fp16(model)
    assert half.graph.input[0] == model.graph.input[0]
    assert half.graph.output[0] == model.graph.output[0]


def test_the_model_given_is_not_changed(model: onnx.ModelProto) -> None:
    before = model.SerializeToString(deterministic=True)
    to_fp16(model)
    assert model.SerializeToString(deterministic=True) == before


def test_the_normalization_is_exact(model: onnx.ModelProto) -> None:
    assert normalization_nodes(model) == ("cast", "transpose", "mul", "add")
    types = {tensor.name: tensor.data_type for tensor in to_fp16(model).graph.initializer}
    assert types["scale"] == types["offset"] == TensorProto.FLOAT


def test_scales_of_resize_stay_float32(model: onnx.ModelProto) -> None:
    half = to_fp16(model)
    (resize,) = [node for node in half.graph.node if node.op_type == "Resize"]
    types = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert types[resize.input[2]] == TensorProto.FLOAT


def test_kept_nodes_are_cast_around_as_a_block(model: onnx.ModelProto) -> None:
    half = to_fp16(model, frozenset({"stem", "bn", "relu"}))
    assert casts(half)[1:] == [("relu", "relu_fp16"), ("logits_fp16", "logits")]
    assert compute_types(half) == {"fp16": 2, "fp32": 1}


def test_a_kept_last_node_writes_the_output_itself(model: onnx.ModelProto) -> None:
    half = to_fp16(model, frozenset({"classifier"}))
    assert casts(half)[-1] == ("flat", "flat_fp32")
    assert np.abs(run(half) - run(model)).max() < 5e-3


def test_an_output_that_is_used_inside_too(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["logits"], ["positive"], name="after"))
    model.graph.output.append(helper.make_tensor_value_info("positive", TensorProto.FLOAT, ["batch", 10]))
    half = to_fp16(model)
    (after,) = [node for node in half.graph.node if node.name == "after"]
    assert after.input[0] == "logits_fp16"


def test_constants_become_half(model: onnx.ModelProto) -> None:
    (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == "mask_w"]
    constant = helper.make_node("Constant", [], ["mask_w"], name="constant", value=weight)
    model.graph.initializer.remove(weight)
    model.graph.node.insert(0, constant)
    assert compute_types(to_fp16(model)) == {"fp16": 3}


def test_nodes_without_names_are_converted(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.name = ""
    assert compute_types(to_fp16(model)) == {"fp16": 3}


def test_weights_out_of_range_keep_their_node(model: onnx.ModelProto, hot: onnx.ModelProto) -> None:
    assert weight_report(model).overflowing == ()
    assert weight_report(hot).overflowing == ("bn",)
    half = to_fp16(hot)
    types = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert types["var"] == TensorProto.FLOAT


def test_vanishing_weights_are_counted(model: onnx.ModelProto) -> None:
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "fc_b"]
    bias.CopyFrom(numpy_helper.from_array(np.array([1e-9, 1e-9, 1e-6, 0, *[1] * 6], np.float32), "fc_b"))
    report = weight_report(model)
    assert (report.overflowing, report.underflowing) == ((), 2)
    assert report.subnormal >= 1


def test_unknown_names_to_keep_are_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="no node named nonsense"):
        to_fp16(model, frozenset({"nonsense"}))


def test_a_converted_model_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="float16 weights already"):
        to_fp16(to_fp16(model))


def test_a_quantized_model_is_refused(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("QuantizeLinear", ["logits", "s"], ["q"], name="q"))
    with pytest.raises(UsageError, match="quantized already"):
        to_fp16(model)


def test_an_old_opset_is_refused(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 12
    with pytest.raises(UsageError, match="opset 12"):
        to_fp16(model)


def test_types_that_do_not_fit_are_refused(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "images"
    with pytest.raises(UsageError, match="types do not fit"):
        to_fp16(model)
