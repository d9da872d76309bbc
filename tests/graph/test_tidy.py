import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.graph.tidy import leftovers, tidy

SCOPES = "pkg.torch.onnx.name_scopes"


def mean_model(axes: list[int], *, keepdims: int = 0) -> onnx.ModelProto:
    """Relu and a mean over ``axes`` of [N, 3, 4, 4], annotated as the exporter does it."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("ReduceMean", ["positive", "axes"], ["y"], keepdims=keepdims),
    ]
    for node, scopes in zip(
        nodes, ("['', 'network', 'network.final.1', 'relu']", "['', 'network', 'mean']"), strict=True
    ):
        node.doc_string = "File /home/someone/model.py"
        node.metadata_props.add(key=SCOPES, value=scopes)
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /home/someone/model.py, line 3")
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * (4 if keepdims else 4 - len(axes)))],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
    )
    graph.input[0].metadata_props.add(key="from", value="/home/someone")
    graph.initializer[0].doc_string = "/home/someone"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    model.metadata_props.add(key="from", value="/home/someone")
    return model


def run(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model)
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0]  # type: ignore[no-any-return]


def test_the_spatial_mean_becomes_a_global_pool_that_computes_the_same() -> None:
    expected = run(mean_model([2, 3]))
    model = tidy(mean_model([2, 3]), {})
    assert [node.op_type for node in model.graph.node] == ["Relu", "GlobalAveragePool", "Flatten"]
    assert not model.graph.initializer, "the axes are not needed any more"
    np.testing.assert_allclose(run(model), expected, atol=1e-6)


@pytest.mark.parametrize(("axes", "keepdims"), [([1, 2], 0), ([2, 3], 1), ([3], 0)])
def test_other_means_stay(axes: list[int], keepdims: int) -> None:
    model = tidy(mean_model(axes, keepdims=keepdims), {})
    assert [node.op_type for node in model.graph.node] == ["Relu", "ReduceMean"]


def test_nothing_of_the_machine_is_left() -> None:
    model = tidy(mean_model([2, 3]), {"arch": "att56"})
    assert b"someone" not in model.SerializeToString()


def test_the_model_says_who_made_it_and_of_what() -> None:
    model = tidy(mean_model([2, 3]), {"ran-deploy": "1.2.3", "arch": "att56"})
    assert (model.producer_name, model.producer_version) == ("ran-deploy", "1.2.3")
    assert {prop.key: prop.value for prop in model.metadata_props} == {"ran-deploy": "1.2.3", "arch": "att56"}


def test_nodes_are_named_after_their_module_and_each_once() -> None:
    model = mean_model([2, 3])
    model.graph.node.insert(1, model.graph.node[0])
    model.graph.node[1].input[0], model.graph.node[1].output[0] = "positive", "twice"
    model.graph.node[2].input[0] = "twice"
    names = [node.name for node in tidy(model, {}).graph.node]
    assert names == ["final.1/Relu", "final.1/Relu_1", "head/GlobalAveragePool", "head/Flatten"]


def test_operations_that_compute_sizes_are_counted() -> None:
    model = mean_model([2, 3])
    assert leftovers(model) == {}
    model.graph.node.extend(helper.make_node(kind, ["x"], [kind]) for kind in ("Shape", "Shape", "Concat"))
    assert leftovers(model) == {"Concat": 1, "Shape": 2}


def test_features_may_be_concatenated_and_sizes_not() -> None:
    nodes = [
        helper.make_node("Concat", ["x", "x"], ["both"], axis=1),
        helper.make_node("Relu", ["both"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "concat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 6, 4, 4])],
        value_info=[helper.make_tensor_value_info("both", TensorProto.FLOAT, ["batch", 6, 4, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert leftovers(model) == {}
    model.graph.value_info[0].type.tensor_type.elem_type = TensorProto.INT64
    assert leftovers(model) == {"Concat": 1}
