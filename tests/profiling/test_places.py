import re

import numpy as np
import pytest

from ran_deploy.profiling.graph import Graph, read_graph
from ran_deploy.profiling.places import OTHER, Place, Places
from tests.profiling.by_hand import make_model, node, unit_model, weights
from tests.profiling.small_network import small_network


def places_of(graph: Graph) -> dict[str, Place]:
    places = Places(graph)
    return {entry.name: places[position] for position, entry in enumerate(graph.nodes)}


def named(*names: str) -> dict[str, str]:
    """The parts of a chain of Relu nodes with these names."""
    tensors = ["x", *(f"v{position}" for position in range(len(names) - 1)), "y"]
    nodes = [node("Relu", [tensors[i]], tensors[i + 1], name) for i, name in enumerate(names)]
    return {name: place.part for name, place in places_of(read_graph(make_model(nodes, {}), 1)).items()}


def test_the_parts_of_a_unit() -> None:
    found = places_of(read_graph(unit_model(), 1))
    assert {name: (place.part, place.branch) for name, place in found.items()} == {
        "stages.0.preact.0/Conv": ("stem", "ends"),  # named after the folded normalization; the weight tells
        "stages.0.preact.1/Relu": ("stage 1 units", "units"),
        "stages.1.trunk.0.body.1.0/Conv": ("stage 1 trunk", "trunk"),
        "stages.1.mask/MaxPool": ("stage 1 mask down", "mask"),
        "stages.1.mask/Resize": ("stage 1 mask up", "mask"),
        "stages.1.mask.head/Sigmoid": ("stage 1 mask up", "mask"),
        "stages.1/Mul": ("stage 1 fusion", "fusion"),
        "stages.1/Add": ("stage 1 fusion", "fusion"),
    }


def test_all_nodes_of_a_network_are_in_a_part() -> None:
    found = places_of(read_graph(small_network(), 1))
    stage = {f"stage 1 {part}" for part in ("units", "trunk", "mask down", "mask up", "fusion")}
    assert {place.part for place in found.values()} == {"input", "stem", *stage, "stage 2 units", "tail", "head"}
    # A stage begins where channels and resolution change.
    assert found["stages.1.before.0/Add"].part == "stage 1 units"
    assert found["stages.1.mask.bottom.0/Add"].part == "stage 1 mask down"
    assert found["stages.2.shortcut/Conv"].part == found["stages.2/Add"].part == "stage 2 units"
    for name, place in found.items():
        if match := re.search(r"\.(trunk|mask)[./]", name):
            assert place.branch == match[1]
    assert {name for name, place in found.items() if place.part == "stem"} == {"stages.0.preact.0/Conv"}


def test_halves_of_the_mask() -> None:
    parts = named(
        "stages.1.mask.down.0.0.preact.0/BatchNormalization",
        "stages.1.mask.bottom.1/Add",
        "stages.1.mask.skip.0.0/Add",
        "stages.1.mask.up.0.0.body.4/Conv",
        "stages.1.mask/Add_1",
        "stages.1.mask.head.3/Conv",
    )
    assert [part.removeprefix("stage 1 mask ") for part in parts.values()] == ["down", "down", "up", "up", "up", "up"]


def test_a_local_mask_is_one_part() -> None:
    parts = named("stages.1.mask.local.0/Add", "stages.1.mask.head.3/Conv", "stages.1.mask/Sigmoid", "stages.1/Mul")
    assert list(parts.values()) == ["stage 1 mask", "stage 1 mask", "stage 1 mask", "stage 1 fusion"]


def test_ends_and_stages() -> None:
    parts = named(
        "input/Cast", "stages.0.shortcut/Conv", "stages.2.shortcut/Conv", "stages.3/Add", "final.0/BN", "head/Flatten"
    )
    assert list(parts.values()) == ["input", "stage 1 units", "stage 2 units", "stage 2 units", "tail", "head"]


def test_nodes_without_a_telling_name_follow_their_inputs() -> None:
    model = make_model(
        [
            node("Relu", ["x"], "a"),  # nothing before it tells, but what is behind it
            node("Relu", ["a"], "b", "stages.0/Relu"),
            node("QuantizeLinear", ["b", "s", "z"], "q", "add_15/QuantizeLinear"),
            node("DequantizeLinear", ["q", "s", "z"], "dq", "add_15/DequantizeLinear"),
            node("Relu", ["dq"], "y", "node_relu_7"),
        ],
        {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)},
    )
    assert {place.part for place in places_of(read_graph(model, 1)).values()} == {"stage 1 units"}


def test_scopes_of_a_plain_export() -> None:
    model = unit_model()
    for entry in model.graph.node:
        entry.name = ""
    pool = model.graph.node[3]
    scopes = "['', 'network', 'network.stages', 'network.stages.1', 'network.stages.1.mask', 'max_pool2d']"
    pool.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    found = places_of(read_graph(model, 1))
    assert found["p"].part == "stage 1 mask down"
    assert found["a"].part == "stem"


def test_another_family_is_told_by_its_outermost_modules() -> None:
    assert named("/layer1/layer1.0/conv1/Conv", "features.3/Relu", "Relu_7") == {
        "/layer1/layer1.0/conv1/Conv": "layer1",
        "features.3/Relu": "features",
        "Relu_7": "features",
    }
    assert set(named("Relu_1", "Relu_2").values()) == {"other"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("stages.1.trunk.0.body.4/Conv_bias_dq", "stage 1 trunk"),
        ("network.stem.weight/DequantizeLinear", "stem"),
        ("stages", "other"),
        ("headline/Conv", "other"),
        ("", "other"),
    ],
)
def test_names_of_kernels(name: str, part: str) -> None:
    assert Places(read_graph(unit_model(), 1)).of_name(name).part == part


def test_an_empty_graph_knows_names_only() -> None:
    empty = Graph(nodes=(), sizes={}, constants=frozenset(), outputs=frozenset(), producers={}, consumers={})
    assert Places(empty).of_name("final.0/BatchNormalization").part == "tail"
    assert Places(empty).of_name("conv") == OTHER


def test_a_convolution_is_where_its_weight_is() -> None:
    # Exporters share constants that are equal, so the scale of a normalization may bear another one's name.
    model = make_model(
        [
            node("Conv", ["x", "network.stages.3.body.0.weight_dq0"], "a", "stages.3.body.1.0/Conv"),
            node(
                "BatchNormalization",
                ["a", *["network.stages.3.preact.0.weight"] * 4],
                "y",
                "final.0/BatchNormalization",
            ),
        ],
        {"network.stages.3.body.0.weight_dq0": weights(4, 4, 1, 1), "network.stages.3.preact.0.weight": weights(4)},
    )
    assert [place.part for place in places_of(read_graph(model, 1)).values()] == ["stage 1 units", "tail"]
