"""Asked for against obtained."""

import pytest

from ran_deploy.engine.layers import parse_layers
from ran_deploy.engine.precision import ComputeNode, check_obtained, obtained_types
from ran_deploy.errors import GateError
from ran_deploy.manifest import Precision
from tests.engine.lines import CLASSIFIER, FUSED_FLOAT, PADDING, STEM


def node(name: str, obtained: str) -> ComputeNode:
    return ComputeNode(name=name, operator="Conv", obtained=obtained, layer="layer")


def test_each_node_gets_the_type_of_its_layer() -> None:
    operators = {"node_Conv_1521": "Conv", "node_Conv_1562": "Conv", "node_Gemm_1699": "Gemm"}
    found = obtained_types(operators, parse_layers([PADDING, STEM, CLASSIFIER, FUSED_FLOAT]))
    assert [(entry.name, entry.obtained) for entry in found] == [
        ("node_Conv_1521", "fp16"),
        ("node_Conv_1562", "fp32"),
        ("node_Gemm_1699", "fp16"),
    ]
    assert found[0].layer == "node_Conv_1521_myl0_2"  # not the padding in front of it


def test_a_node_that_no_layer_names_is_unknown() -> None:
    (found,) = obtained_types({"lost": "Conv"}, parse_layers([STEM]))
    assert (found.obtained, found.layer) == ("unknown", "")
    with pytest.raises(GateError, match="Conv lost is unknown"):
        check_obtained(Precision(asked="fp16"), (found,))


def test_what_was_asked_for_passes() -> None:
    assert check_obtained(Precision(asked="fp16"), (node("a", "fp16"), node("b", "fp16"))) == {"fp16": 2}


def test_a_mismatch_names_the_node_and_counts() -> None:
    nodes = (node("a", "fp16"), *(node(f"n{index}", "fp32") for index in range(7)))
    with pytest.raises(GateError, match="7 of 8 compute nodes") as caught:
        check_obtained(Precision(asked="fp16"), nodes)
    assert "Conv n0 is fp32" in caught.value.message
    assert "and 2 more" in caught.value.message
    assert caught.value.details["obtained"] == {"fp16": 1, "fp32": 7}
    assert caught.value.exit_code == 3


def test_a_float32_engine_must_not_be_half() -> None:
    with pytest.raises(GateError, match="Conv a is fp16"):
        check_obtained(Precision(asked="fp32"), (node("a", "fp16"),))


def test_kept_nodes_must_have_stayed_in_float32() -> None:
    asked = Precision(asked="fp16", kept=("a",))
    assert check_obtained(asked, (node("a", "fp32"), node("b", "fp16"))) == {"fp16": 1, "fp32": 1}
    with pytest.raises(GateError, match="Conv a is fp16"):
        check_obtained(asked, (node("a", "fp16"),))


def test_kept_nodes_of_an_int8_engine_may_be_any_float() -> None:
    asked = Precision(asked="int8", kept=("a", "b"))
    found = check_obtained(asked, (node("a", "fp32"), node("b", "fp16"), node("c", "int8")))
    assert found == {"fp16": 1, "fp32": 1, "int8": 1}
