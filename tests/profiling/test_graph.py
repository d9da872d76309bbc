import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ran_deploy.profiling.graph import read_graph
from tests.profiling.by_hand import make_model, node, unit_model, weights
from tests.profiling.small_network import CLASSES, FIRST, SECOND, SIZE, STEM, small_network


@pytest.mark.parametrize(
    ("nodes", "constants", "macs"),
    [
        ([node("Conv", ["x", "w"], "y", pads=[1] * 4)], {"w": weights(6, 4, 3, 3)}, 3 * 6 * 64 * 36),
        ([node("Conv", ["x", "w"], "y", strides=[2, 2])], {"w": weights(6, 4, 2, 2)}, 3 * 6 * 16 * 16),
        ([node("Conv", ["x", "w"], "y", group=4)], {"w": weights(8, 1, 1, 1)}, 3 * 8 * 64),
        ([node("MatMul", ["x", "w"], "y")], {"w": weights(8, 5)}, 3 * 4 * 8 * 5 * 8),
        ([node("Flatten", ["x"], "f"), node("Gemm", ["f", "w"], "y", transB=1)], {"w": weights(10, 256)}, 3 * 2560),
        ([node("Flatten", ["x"], "f"), node("Gemm", ["w", "f"], "y", transB=1)], {"w": weights(2, 256)}, 3 * 512),
        ([node("Relu", ["x"], "y")], {}, 0),
    ],
)
def test_multiply_adds_of_a_batch_of_three(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], macs: int
) -> None:
    graph = read_graph(make_model(nodes, constants), 3)
    assert sum(entry.macs for entry in graph.nodes) == macs
    assert not graph.unsized


def test_multiply_adds_of_a_transposed_product() -> None:
    model = make_model([node("Gemm", ["x", "w"], "y", transA=1)], {"w": weights(7, 5)}, shape=(7, 3))
    assert read_graph(model, 99).nodes[0].macs == 3 * 7 * 5  # the batch of the file is fixed


def test_a_network_has_the_multiply_adds_that_its_modules_have() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from ran_deploy.arch.attention import AttentionModule
    from ran_deploy.arch.blocks import PreActUnit, bn_relu, conv
    from ran_deploy.arch.count import count_macs
    from ran_deploy.arch.layout import ResidualAttentionNetwork
    from ran_deploy.arch.ran import PRE_ACTIVATION
    from ran_deploy.arch.ran_options import RanOptions

    with torch.device("meta"):
        attention = AttentionModule(FIRST, 2, RanOptions(t=1), PRE_ACTIVATION)
        stages = torch.nn.Sequential(PreActUnit(STEM, FIRST), attention, PreActUnit(FIRST, SECOND, stride=2))
        classifier = torch.nn.Linear(SECOND, CLASSES)
        module = ResidualAttentionNetwork(conv(3, STEM, kernel=3), stages, bn_relu(SECOND), classifier, size_multiple=8)
    expected = count_macs(module, SIZE)
    for batch in (1, 8):
        graph = read_graph(small_network(), batch)
        assert sum(entry.macs for entry in graph.nodes) == batch * expected
        assert not graph.unsized


def test_the_model_stays_as_it_is() -> None:
    model = unit_model()
    before = model.SerializeToString()
    read_graph(model, 5)
    assert model.SerializeToString() == before


def test_bytes_that_a_kernel_moves() -> None:
    graph = read_graph(unit_model(), 2)
    tensor = 2 * 4 * 8 * 8 * 4
    conv, relu = 0, 1
    assert graph.traffic([conv]) == tensor + 4 * 4 * 9 * 4 + tensor
    assert graph.traffic([conv, relu]) == tensor + 4 * 4 * 9 * 4 + tensor  # what lies between them is not moved
    # Fused with its first reader, the sum still writes for the other readers of "relu".
    assert graph.traffic([relu, 2]) == tensor + tensor + 4 * 4 * 4 + tensor
    assert graph.traffic([6, 7]) == 2 * tensor + tensor  # "t" is read once
    assert graph.traffic([]) == 0


def test_int8_tensors_count_at_their_own_size() -> None:
    model = make_model(
        [
            node("QuantizeLinear", ["x", "s", "z"], "q"),
            node("DequantizeLinear", ["q", "s", "z"], "dq"),
            node("Relu", ["dq"], "y"),
        ],
        {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)},
    )
    graph = read_graph(model, 1)
    assert graph.traffic([2]) == 256 * 4 + 256 * 4  # ONNX Runtime runs the DequantizeLinear on its own
    assert graph.traffic([2], transparent={1}) == 256 * 1 + 256 * 4  # OpenVINO reads int8
    assert graph.traffic([1, 2]) == 256 * 1 + 4 + 1 + 256 * 4


def test_unknown_shapes_are_named() -> None:
    custom = helper.make_node("Mystery", ["x"], ["m"], name="odd", domain="example")
    model = make_model([custom, node("Conv", ["m", "w"], "y", "conv")], {"w": weights(4, 4, 1, 1)})
    model.opset_import.append(helper.make_opsetid("example", 1))
    graph = read_graph(model, 1)
    assert graph.unsized == ("odd", "conv")
    assert graph.nodes[1].macs == 0


def test_float16_constants() -> None:
    model = make_model(
        [node("Constant", [], "c", value=helper.make_tensor("v", TensorProto.FLOAT16, [3], [1, 2, 3]))], {}
    )
    assert read_graph(model, 1).sizes["c"] == 6
