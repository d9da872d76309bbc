import pytest

from ran_deploy.quant.groups import Grouping, group_of, grouped, home_of, part_of


@pytest.mark.parametrize(
    ("node", "unit", "module", "part"),
    [
        ("stages.0/Add", "stages.0", "stages.0", "unit"),
        ("stages.0.preact.0/Conv", "stages.0", "stages.0", "unit"),
        ("stages.0.shortcut/Conv", "stages.0", "stages.0", "unit"),
        ("stages.0.activation/Relu", "stages.0", "stages.0", "unit"),
        ("stages.1.mask.local.2.body.1.0/Conv", "stages.1.mask.local.2", "stages.1.mask", "mask"),
        ("stages.1.before.0.body.1.0/Conv", "stages.1.before.0", "stages.1.before", "unit"),
        ("stages.1.trunk.1.body.4/Conv", "stages.1.trunk.1", "stages.1.trunk", "trunk"),
        ("stages.1.mask.down.0.0.body.1.0/Conv", "stages.1.mask.down.0.0", "stages.1.mask", "mask"),
        ("stages.1.mask.head.0.0/BatchNormalization", "stages.1.mask.head", "stages.1.mask", "mask"),
        ("stages.1.mask/MaxPool_1", "stages.1.mask", "stages.1.mask", "mask"),
        ("stages.1/Mul", "stages.1", "stages.1", "unit"),
        ("stem.0/Conv", "stem.0", "stem.0", "stem"),
        ("final.0/BatchNormalization", "final.0", "final.0", "classifier"),
        ("classifier/Gemm", "classifier", "classifier", "classifier"),
        ("Conv_7", "Conv_7", "Conv_7", "unit"),
    ],
)
def test_groups_follow_the_modules(node: str, unit: str, module: str, part: str) -> None:
    assert group_of(node, "unit") == unit
    assert group_of(node, "module") == module
    assert group_of(node, "node") == node
    assert part_of(unit) == part_of(node) == part


@pytest.mark.parametrize("grouping", ["unit", "node", "module"])
def test_each_node_is_in_one_group(grouping: Grouping) -> None:
    nodes = ("a.body.1/Conv", "b/Add", "a/Add", "c.mask.head.1/Conv", "c.mask/Sigmoid")
    groups = grouped(dict(zip(nodes, nodes, strict=True)), grouping)
    assert sorted(node for members in groups.values() for node in members) == sorted(nodes)
    assert next(iter(groups)) == group_of(nodes[0], grouping)


@pytest.mark.parametrize(
    ("op", "name", "inputs", "home"),
    [
        # Folded with the normalization behind it, a convolution bears that one's name.
        ("Conv", "stages.0.preact.0/Conv", ("add", "network.stem.weight", "network.stem.weight_bias"), "stem/Conv"),
        ("Conv", "stages.0.body.1.0/Conv", ("relu", "network.stages.0.body.0.weight"), "stages.0.body.0/Conv"),
        ("Gemm", "classifier/Gemm", ("mean", "network.classifier.weight"), "classifier/Gemm"),
        ("Conv", "stages.0.preact.0/Conv", ("add", "onnx::Conv_17"), "stages.0.preact.0/Conv"),
        ("Relu", "stages.0.preact.1/Relu", ("network.stem.weight",), "stages.0.preact.1/Relu"),
        ("Add", "stages.0/Add", ("a", "network.stem.weight"), "stages.0/Add"),
    ],
)
def test_a_node_is_at_home_where_its_weight_is(op: str, name: str, inputs: tuple[str, ...], home: str) -> None:
    assert home_of(op, name, inputs) == home


def test_the_stem_is_no_part_of_the_first_unit() -> None:
    homes = {"stages.0.preact.0/Conv": "stem/Conv", "stages.0/Add": "stages.0/Add"}
    assert grouped(homes, "unit") == {"stem": ("stages.0.preact.0/Conv",), "stages.0": ("stages.0/Add",)}
    assert grouped(homes, "node") == {node: (node,) for node in homes}
