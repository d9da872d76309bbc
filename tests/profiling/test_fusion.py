import numpy as np
import onnx
import pytest

from ran_deploy.profiling.fusion import match_kernels
from ran_deploy.profiling.graph import read_graph
from tests.profiling.by_hand import make_model, node, unit_model, weights
from tests.profiling.small_network import small_network


def members_of(model: onnx.ModelProto, *claims: tuple[str, ...]) -> list[tuple[str, ...]]:
    graph = read_graph(model, 1)
    fusion = match_kernels(claims, graph)
    return [tuple(graph.nodes[place].name for place in members) for members in fusion.members]


@pytest.mark.parametrize(
    "claim",
    [
        "stages.0.preact.1/Relu",
        "relu",
        "relu_nchwc",
        "InsertedPrecisionFreeCast_relu_nchwc",
        "relu_bn_nchwc",
        "stages.0.preact.1/Relu/WithoutBiases",
        "stages.0.preact.1/Relu/duplicated",
        "relu_original",
        "relu_nchwc_token_12",
    ],
)
def test_a_kernel_is_known_by_what_runtimes_call_it(claim: str) -> None:
    first, _ = members_of(unit_model(), (claim,), ("t",))
    assert first[:2] == ("stages.0.preact.0/Conv", "stages.0.preact.1/Relu")  # the convolution goes to its reader


def test_a_residual_sum_goes_to_the_input_that_is_computed_last() -> None:
    model = make_model(
        [
            node("Conv", ["x", "v"], "shortcut"),
            node("Conv", ["x", "w"], "body"),
            node("Add", ["body", "shortcut"], "sum"),
            node("Relu", ["sum"], "y"),
        ],
        {"v": weights(4, 4, 1, 1), "w": weights(4, 4, 1, 1)},
    )
    assert members_of(model, ("body",), ("shortcut",)) == [("body",), ("shortcut", "sum", "y")]
    assert members_of(model, ("shortcut",), ("body",)) == [("shortcut",), ("body", "sum", "y")]


def test_dequantizing_goes_to_the_reader_and_quantizing_to_the_writer() -> None:
    model = make_model(
        [
            node("Relu", ["x"], "a"),
            node("QuantizeLinear", ["a", "s", "z"], "q"),
            node("DequantizeLinear", ["q", "s", "z"], "dq"),
            node("DequantizeLinear", ["w", "s", "z"], "wdq"),
            node("Conv", ["dq", "wdq"], "y"),
        ],
        {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8), "w": np.zeros((4, 4, 1, 1), np.int8)},
    )
    assert members_of(model, ("a",), ("y",)) == [("a", "q"), ("dq", "wdq", "y")]
    fusion = match_kernels([("a",), ("y",)], read_graph(model, 1))
    assert fusion.transparent == {2, 3}
    # ONNX Runtime runs each on its own, and some twice.
    claims = [("a",), ("q",), ("dq",), ("dq/duplicated",), ("wdq",), ("y",)]
    fusion = match_kernels(claims, read_graph(model, 1))
    assert fusion.members == ((0,), (1,), (2,), (), (3,), (4,))
    assert fusion.named[3] == 2
    assert not fusion.transparent


def test_kernels_that_nobody_knows_have_no_nodes() -> None:
    assert members_of(unit_model(), ("ReorderOutput",), ("mystery", "nothing"), ()) == [(), (), ()]
    assert match_kernels([("mystery",)], read_graph(unit_model(), 1)).named == (None,)


def test_each_node_of_a_network_is_in_one_kernel() -> None:
    graph = read_graph(small_network(), 1)
    convolutions = [(entry.name,) for entry in graph.nodes if entry.op == "Conv"]
    fusion = match_kernels(convolutions, graph)
    assert sorted(place for members in fusion.members for place in members) == list(range(len(graph.nodes)))
    assert sum(graph.nodes[place].macs for members in fusion.members for place in members) == sum(
        entry.macs for entry in graph.nodes
    )
