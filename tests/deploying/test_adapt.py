"""Foreign models in the form that can be deployed: they answer as before, at any batch size, or stay as they were."""

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.deploying.adapt import adapt, set_size
from ran_deploy.errors import GateError
from ran_deploy.manifest import DYNAMIC
from ran_deploy.runtime.onnx_file import onnx_contract
from tests.deploying.foreign_graphs import CLASSES, SIZE, token_classifier


def answers(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input.1": images})[0])


def test_a_fixed_batch_becomes_dynamic() -> None:
    model = token_classifier()
    adapted = adapt(model, onnx_contract(model))
    assert adapted.changes == ("its batch, fixed to 1, became dynamic",)
    assert onnx_contract(adapted.model).input.shape == (DYNAMIC, 3, SIZE, SIZE)
    onnx.checker.check_model(adapted.model, full_check=True)
    images = np.random.default_rng(1).standard_normal((7, 3, SIZE, SIZE)).astype(np.float32)
    expected = np.concatenate([answers(model, images[place : place + 1]) for place in range(7)])
    np.testing.assert_allclose(answers(adapted.model, images), expected, atol=1e-5)
    assert model == token_classifier()  # what came in is as it was


def test_an_old_opset_is_raised() -> None:
    model = token_classifier(batch="N", opset=12)
    adapted = adapt(model, onnx_contract(model))
    assert adapted.changes == ("its opset was raised",)
    assert adapted.model.opset_import[0].version >= 15
    assert adapted.max_abs < 1e-5


def test_what_is_fine_stays_as_it_is() -> None:
    model = token_classifier(batch="N")
    assert adapt(model, onnx_contract(model)).model == model


def test_functions_are_put_in_place() -> None:
    model = token_classifier(batch="N")
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    body = [helper.make_node("Softmax", ["x"], ["y"], axis=-1)]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("mine", "Soften", ["x"], ["y"], body, opsets))
    node.op_type, node.domain = "Soften", "mine"
    del node.attribute[:]
    model.opset_import.append(helper.make_opsetid("mine", 1))
    adapted = adapt(model, onnx_contract(model))
    assert adapted.changes == ("local functions were put in place",)
    assert not adapted.model.functions


def test_a_batch_that_cannot_be_freed_stays() -> None:
    model = token_classifier()
    rows = next(tensor for tensor in model.graph.initializer if tensor.name == "rows")
    rows.CopyFrom(numpy_helper.from_array(np.array([-1, 8, 16], np.int64), "rows"))
    # Adding up over the batch makes the images depend on one another, which no batch of one shows.
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "axes"))
    total = helper.make_node("ReduceSum", ["prob.0", "axes"], ["prob"], name="total", keepdims=1)
    model.graph.node[-1].output[0] = "prob.0"
    model.graph.node.append(total)
    adapted = adapt(model, onnx_contract(model))
    assert adapted.changes == ()
    assert onnx_contract(adapted.model).input.shape[0] == 1


def test_numbers_that_are_not_finite_are_refused() -> None:
    model = token_classifier(batch="N")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(CLASSES, np.nan, np.float32), "bias"))
    with pytest.raises(GateError, match="infinity or NaN"):
        adapt(model, onnx_contract(model))


def test_open_sizes_are_set() -> None:
    model = token_classifier(batch="N", size="side")
    sized = set_size(model, SIZE)
    assert onnx_contract(sized).preprocessing.size == SIZE
    assert sized.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert model.graph.input[0].type.tensor_type.shape.dim[2].dim_param == "side"
