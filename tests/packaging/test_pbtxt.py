"""Protobuf's text format, read back by protobuf itself."""

import pytest

from ran_deploy.packaging.lint_view import read_config
from ran_deploy.packaging.pbtxt import Symbol, pairs, to_pbtxt

pytest.importorskip("tritonclient.grpc", reason="Triton's schema comes with tritonclient")


def test_the_layout() -> None:
    text = to_pbtxt(
        {
            "name": "a",
            "max_batch_size": 8,
            "input": [{"name": "x", "data_type": Symbol("TYPE_UINT8"), "dims": [32, 3]}],
            "platform": None,
            "output": [],
            "optimization": {"cuda": {"graphs": True}},
        }
    )
    assert text == (
        'name: "a"\n'
        "max_batch_size: 8\n"
        "input [\n"
        "  {\n"
        '    name: "x"\n'
        "    data_type: TYPE_UINT8\n"
        "    dims: [ 32, 3 ]\n"
        "  }\n"
        "]\n"
        "optimization {\n"
        "  cuda {\n"
        "    graphs: true\n"
        "  }\n"
        "}\n"
    )
    config = read_config(text)
    assert config.name == "a"
    assert list(config.input[0].dims) == [32, 3]
    assert config.optimization.cuda.graphs is True


@pytest.mark.parametrize("name", ['quote " and \\ backslash', "line\nbreak", "größer – 大", "tab\t"])
def test_text_comes_back_as_it_was(name: str) -> None:
    assert read_config(to_pbtxt({"name": name})).name == name


def test_a_map_and_several_messages() -> None:
    values = {"A": "1", "B": "2"}
    parameters = pairs({key: {"string_value": value} for key, value in values.items()})
    config = read_config(to_pbtxt({"parameters": parameters, "instance_group": [{"count": 1}, {"count": 2}]}))
    assert {key: value.string_value for key, value in config.parameters.items()} == values
    assert [group.count for group in config.instance_group] == [1, 2]
