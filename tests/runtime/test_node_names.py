import pytest

from ran_deploy.runtime.node_names import telling_names


@pytest.mark.parametrize(
    ("op", "inputs", "names"),
    [
        ("Conv", ("x", "network.stem.weight"), ("network.stem.weight", "stages.0.preact.0/Conv")),
        ("Conv", ("x",), ("stages.0.preact.0/Conv",)),
        ("Add", ("x", "network.stem.weight"), ("stages.0.preact.0/Conv",)),
    ],
)
def test_a_weight_tells_before_the_node_does(op: str, inputs: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert telling_names(op, "stages.0.preact.0/Conv", inputs) == names
