"""A network of 15 nodes with one attention module, put together by hand: no training and no exporter needed."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.manifest import Contract

CHANNELS = 8


def attention_network(contract: Contract) -> onnx.ModelProto:
    """Return Conv → ReLU → T + M·T → pool → classifier for an engine with uint8 NHWC input."""
    rng = np.random.default_rng(9)
    size, classes = contract.preprocessing.size, len(contract.labels)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)

    constants = [
        weights("stem_w", CHANNELS, 3, 3, 3),
        weights("trunk_w", CHANNELS, CHANNELS, 3, 3),
        weights("mask_w", CHANNELS, CHANNELS, 3, 3),
        weights("classifier_w", CHANNELS, classes),
        weights("classifier_b", classes),
        numpy_helper.from_array(np.float32(1 / 255).reshape(1), "scale"),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"),
    ]
    pads = [1, 1, 1, 1]
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "stem_w"], ["stem"], pads=pads),
        helper.make_node("Relu", ["stem"], ["features"]),
        helper.make_node("Conv", ["features", "trunk_w"], ["trunk"], pads=pads),
        helper.make_node("MaxPool", ["features"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["small", "mask_w"], ["deep"], pads=pads),
        helper.make_node("Resize", ["deep", "", "twice"], ["wide"], mode="linear"),
        helper.make_node("Sigmoid", ["wide"], ["mask"]),
        helper.make_node("Mul", ["mask", "trunk"], ["masked"]),
        helper.make_node("Add", ["trunk", "masked"], ["attended"]),
        helper.make_node("GlobalAveragePool", ["attended"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "classifier_w", "classifier_b"], ["logits"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", size, size, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])
    graph = helper.make_graph(nodes, "attention", [images], [logits], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
