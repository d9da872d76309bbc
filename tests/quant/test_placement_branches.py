"""Where Q/DQ go around concatenations, average pools, upsamples to a sigmoid, and hidden dense layers."""

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.quant.lint import lint
from ran_deploy.quant.placement import Placement, PlacementOptions, place
from ran_deploy.quant.qdq import insert_qdq
from ran_deploy.quant.ranges import observe_ranges


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """Two branches and a pool concatenated, a mask from an average pool, two dense layers behind a max pool."""
    rng = np.random.default_rng(0)
    tensors = {
        name: (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, shape in {
            "left_w": (4, 4, 3, 3),
            "right_w": (4, 4, 3, 3),
            "joint_w": (4, 12, 1, 1),
            "mask_w": (4, 4, 1, 1),
            "hidden_w": (16, 4 * 2 * 2),
            "logits_w": (3, 16),
        }.items()
    }
    tensors["twice"] = np.array([1, 1, 2, 2], np.float32)
    node = helper.make_node
    nodes = [
        node("Relu", ["x"], ["positive"], name="positive"),
        node("MaxPool", ["positive"], ["pooled"], name="pool", kernel_shape=[3, 3], strides=[2, 2]),
        node("Conv", ["x", "left_w"], ["left"], name="left", strides=[2, 2]),
        node("Relu", ["left"], ["left_relu"], name="left_relu"),
        node("Conv", ["x", "right_w"], ["right"], name="right", strides=[2, 2]),
        node("Relu", ["right"], ["right_relu"], name="right_relu"),
        node("Concat", ["pooled", "left_relu", "right_relu"], ["parts"], name="concat", axis=1),
        node("Conv", ["parts", "joint_w"], ["joint"], name="joint"),
        node("AveragePool", ["joint"], ["average"], name="average", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["average", "mask_w"], ["mask"], name="mask"),
        node("Resize", ["mask", "", "twice"], ["up"], name="up", mode="linear"),
        node("Sigmoid", ["up"], ["soft"], name="soft"),
        node("Mul", ["soft", "joint"], ["attended"], name="attend"),
        node("MaxPool", ["attended"], ["last"], name="last", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["last"], ["flat"], name="flatten"),
        node("Gemm", ["flat", "hidden_w"], ["hidden"], name="hidden", transB=1),
        node("Relu", ["hidden"], ["hidden_relu"], name="hidden_relu"),
        node("Gemm", ["hidden_relu", "logits_w"], ["logits"], name="logits", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 9, 9])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def quantized(placement: Placement) -> set[tuple[str, int]]:
    return {reader for readers in placement.readers.values() for reader in readers}


def test_operators_without_weights_take_int8_where_their_readers_do(network: onnx.ModelProto) -> None:
    found = quantized(place(network))
    assert {("pool", 0), ("concat", 0), ("concat", 1), ("concat", 2), ("average", 0), ("last", 0)} <= found
    assert ("up", 0) not in found, "its reader, the sigmoid, is in float"
    assert ("flatten", 0) not in found, "the pair behind it serves it as well"


def test_what_is_concatenated_has_one_range(network: onnx.ModelProto) -> None:
    placement = place(network)
    assert {placement.source(name) for name in ("positive", "pooled", "left_relu", "right_relu")} == {"parts"}
    assert placement.source("flat") == "attended", "a max pool and a reshaping keep their input's range"
    assert placement.source("x") == "x"


def test_a_concatenation_for_the_pooled_features_stays_in_float(network: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(network)
    joint = next(node for node in model.graph.node if node.name == "joint")
    joint.CopyFrom(helper.make_node("GlobalAveragePool", ["parts"], ["joint"], name="joint"))
    found = quantized(place(model))
    assert not {name for name, _ in found} & {"pool", "concat", "joint"}
    assert {("left", 0), ("right", 0)} <= found


def test_all_dense_layers_but_the_last(network: onnx.ModelProto) -> None:
    assert place(network).weighted == ("left", "right", "joint", "mask", "hidden")
    assert place(network, PlacementOptions(classifier=True)).weighted[-2:] == ("hidden", "logits")


def test_the_quantized_network_is_sound_and_answers_alike(network: onnx.ModelProto) -> None:
    images = np.random.default_rng(1).normal(size=(16, 4, 9, 9)).astype(np.float32)
    made = insert_qdq(network, place(network), observe_ranges(network, [images]))
    assert lint(made) == ()
    float32, int8 = (
        ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": images})[0]
        for model in (network, made)
    )
    assert np.square(float32).mean() > 100 * np.square(float32 - int8).mean()
