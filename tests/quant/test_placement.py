"""Where Q/DQ go in an Attention-56: every rule, on every node of its kind."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.errors import UsageError
from ran_deploy.quant.placement import Placement, PlacementOptions, place
from ran_deploy.quant.prepare import prepare


@pytest.fixture(scope="module")
def network(attention: onnx.ModelProto) -> onnx.ModelProto:
    return prepare(attention)


@pytest.fixture(scope="module")
def placement(network: onnx.ModelProto) -> Placement:
    return place(network)


def quantized(placement: Placement) -> set[tuple[str, int]]:
    return {reader for readers in placement.readers.values() for reader in readers}


def nodes(model: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == kind]


def test_every_convolution_has_both_inputs_quantized(network: onnx.ModelProto, placement: Placement) -> None:
    convolutions = {node.name for node in nodes(network, "Conv")}
    assert len(convolutions) == 109
    assert set(placement.weighted) == convolutions
    assert {(name, 0) for name in convolutions} <= quantized(placement)


def test_nothing_stands_between_convolution_and_relu(network: onnx.ModelProto, placement: Placement) -> None:
    behind = {node.input[0] for node in nodes(network, "Relu")}
    assert not behind & set(placement.readers)
    assert not any(name.endswith("Relu") for name, _ in quantized(placement))


def test_a_residual_add_has_its_skip_quantized_and_not_its_body(network: onnx.ModelProto, placement: Placement) -> None:
    producers = {name: node for node in network.graph.node for name in node.output}
    residual = 0
    for node in nodes(network, "Add"):
        makers = [producers[name].op_type if name in producers else "" for name in node.input]
        chosen = [index for index in (0, 1) if (node.name, index) in quantized(placement)]
        if makers == ["Conv", "Conv"]:
            assert "shortcut" in producers[node.input[chosen[0]]].name
        if "Conv" in makers:
            residual += 1
            assert chosen == [0]
            assert makers[1] == "Conv"
        elif "Resize" in makers:
            assert chosen == [makers.index("Resize")]
        else:  # the normalization, and T + M·T
            assert chosen == []
    assert residual == 33


def test_masks_pools_and_upsamples(network: onnx.ModelProto, placement: Placement) -> None:
    readers = quantized(placement)
    masks = [node for node in nodes(network, "Mul") if not node.name.startswith("input/")]
    assert len(masks) == 3
    assert all({(node.name, 0), (node.name, 1)} <= readers for node in masks)
    for node in (*nodes(network, "MaxPool"), *nodes(network, "Resize")):
        assert (node.name, 0) in readers
        assert node.output[0] in placement.readers  # INT8 in, INT8 out
    assert not any(
        (node.name, 0) in readers for kind in ("Sigmoid", "GlobalAveragePool") for node in nodes(network, kind)
    )


def test_a_max_pool_passes_its_range_on(network: onnx.ModelProto, placement: Placement) -> None:
    pools = nodes(network, "MaxPool")
    assert placement.same_range == {node.output[0]: node.input[0] for node in pools}
    assert not {node.output[0] for node in pools} & set(placement.calibrated())


def test_the_classifier_on_request(network: onnx.ModelProto, placement: Placement) -> None:
    assert ("classifier/Gemm", 0) not in quantized(placement)
    asked = place(network, PlacementOptions(classifier=True))
    assert quantized(asked) - quantized(placement) == {("classifier/Gemm", 0)}
    assert set(asked.weighted) - set(placement.weighted) == {"classifier/Gemm"}


def test_a_kept_node_reads_floats(network: onnx.ModelProto, placement: Placement) -> None:
    pool = nodes(network, "MaxPool")[0]
    kept = {"stages.1.mask.skip.0.0.body.3.0/Conv", "stages.1.mask.skip.0.0/Add", pool.name}
    without = place(network, PlacementOptions(keep=frozenset(kept)))
    assert {name for name, _ in quantized(placement) - quantized(without)} >= kept
    assert not {name for name, _ in quantized(without)} & kept
    assert "stages.1.mask.skip.0.0.body.3.0/Conv" not in without.weighted


def test_an_unknown_node_to_keep_is_named(network: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="no node named nothing"):
        place(network, PlacementOptions(keep=frozenset({"nothing"})))


def test_shapes_and_constants_are_no_activations() -> None:
    """A ViT's: a class token that is concatenated, and a Reshape whose shape is concatenated from the batch."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "token": np.ones((1, 1, 8), np.float32),
        "rest": np.array([3, 8], np.int64),
        "w": np.ones((8, 8), np.float32),
        "head": np.ones((8, 8), np.float32),
    }
    nodes = [
        helper.make_node("Concat", ["token", "x"], ["tokens"], name="prepend", axis=1),
        helper.make_node("MatMul", ["tokens", "w"], ["mixed"], name="mix"),
        helper.make_node("Shape", ["x"], ["count"], name="shape", start=0, end=1),
        helper.make_node("Concat", ["count", "rest"], ["sides"], name="sides", axis=0),
        helper.make_node("Reshape", ["mixed", "sides"], ["same"], name="reshape"),
        helper.make_node("MatMul", ["same", "w"], ["again"], name="remix"),
        helper.make_node("MatMul", ["again", "head"], ["y"], name="classify"),
    ]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    assert set(place(prepare(model)).readers) == {"x", "tokens", "same"}
