"""What the exported graph looks like to those who run it."""

import platform
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
import torch
from onnx import numpy_helper

import ran_deploy
from ran_deploy.arch.deployable import Deployable
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.probes import Probes
from ran_deploy.errors import RanDeployError
from ran_deploy.graph.export import compare_models
from ran_deploy.graph.tidy import FORBIDDEN
from ran_deploy.graph.torch_export import OPSET, to_onnx
from ran_deploy.manifest import Contract


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in model.graph.node for output in node.output}


def test_sizes_are_static_but_for_the_batch(model: onnx.ModelProto) -> None:
    found = kinds(model)
    assert not set(FORBIDDEN) & set(found)
    assert not {"Reshape", "Squeeze", "Constant", "Identity", "ReduceMean"} & set(found)
    (images,), (logits,) = model.graph.input, model.graph.output
    sides = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (images, logits)]
    assert (images.name, sides[0]) == ("images", ["batch", 32, 32, 3])
    assert (logits.name, sides[1]) == ("logits", ["batch", 10])
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert logits.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]


def test_operations_are_those_of_the_network(model: onnx.ModelProto, module: Deployable) -> None:
    modules, found = list(module.modules()), kinds(model)
    assert found["Conv"] == sum(isinstance(part, torch.nn.Conv2d) for part in modules)
    assert found["Relu"] == sum(isinstance(part, torch.nn.ReLU) for part in modules)
    assert found["MaxPool"] == found["Resize"] == 5, "mask depths 2, 2, 1"
    assert (found["Sigmoid"], found["GlobalAveragePool"], found["Flatten"], found["Gemm"]) == (3, 1, 1, 1)
    assert found["Mul"] == 4, "normalization, and M·T of three modules"


def test_the_cast_comes_first_and_the_transpose_second(model: onnx.ModelProto) -> None:
    assert [node.op_type for node in model.graph.node][:4] == ["Cast", "Transpose", "Mul", "Add"]
    assert [node.op_type for node in model.graph.node if "images" in node.input] == ["Cast"]


def test_batch_normalization_is_folded_wherever_a_convolution_feeds_only_it(
    model: onnx.ModelProto, module: Deployable
) -> None:
    made_by = producers(model)
    uses = Counter(name for node in model.graph.node for name in node.input)
    left = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    fed_by = [made_by[node.input[0]] for node in left]
    assert not [node.name for node in fed_by if node.op_type == "Conv" and uses[node.output[0]] == 1]
    assert 0 < len(left) < sum(isinstance(part, torch.nn.BatchNorm2d) for part in module.modules()) / 2


def test_upsampling_has_constant_scales_and_aligned_corners(model: onnx.ModelProto) -> None:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    resizes = [node for node in model.graph.node if node.op_type == "Resize"]
    for node in resizes:
        assert len(node.input) == 3, "an input of sizes"
        assert constants[node.input[2]].tolist() == [1, 1, 2, 2]
        attributes = {attribute.name: attribute.s for attribute in node.attribute}
        assert attributes["coordinate_transformation_mode"] == b"align_corners"
        assert attributes["mode"] == b"linear"


def test_attention_is_the_trunk_plus_the_mask_times_the_trunk(model: onnx.ModelProto) -> None:
    graph, made_by = model.graph, producers(model)
    for mask in [node.output[0] for node in graph.node if node.op_type == "Sigmoid"]:
        (product,) = [node for node in graph.node if mask in node.input]
        (trunk,) = set(product.input) - {mask}
        (total,) = [node for node in graph.node if product.output[0] in node.input]
        assert (product.op_type, total.op_type) == ("Mul", "Add")
        assert set(total.input) == {trunk, product.output[0]}
        assert made_by[trunk].op_type == "Add", "the trunk ends in a residual sum"


def test_nodes_have_names_that_tell_their_module(model: onnx.ModelProto) -> None:
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    expected = {"input/Cast", "stages.1.mask/Resize", "stages.1.mask.head.3/Conv", "head/GlobalAveragePool"}
    assert expected <= set(names)
    assert names[-1] == "classifier/Gemm"


def test_no_path_of_the_machine_and_no_dead_weight_is_left(exported: Path, model: onnx.ModelProto) -> None:
    content = exported.read_bytes()
    for trace in (sys.prefix, str(Path(ran_deploy.__file__).parent), str(Path.home()), ".py", "site-packages"):
        assert trace.encode() not in content
    assert {prop.key for prop in model.metadata_props} == {"ran-deploy", "arch", "dataset", "weights"}
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used


def test_the_batch_is_dynamic_and_does_not_change_an_answer(exported: Path, module: Deployable) -> None:
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).integers(0, 256, (33, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    for part in (images, images[:1], images[:7]):
        np.testing.assert_allclose(session.run(None, {"images": part})[0], expected[: len(part)], atol=1e-4)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the blocked layout is an x86 one")
def test_onnxruntime_stays_in_its_blocked_layout(exported: Path, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4  # that such a file is for this machine only
    ort.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
    found = kinds(onnx.load(tmp_path / "optimized.onnx"))
    assert found["ReorderInput"] + found["ReorderOutput"] == 1
    assert found["BatchNormalization"] == found["Relu"] == 0


def test_the_classical_input_with_naive_attention(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(3)
    options = {"t": 1, "mask_depths": (1, 1, 1), "width": 0.25}
    network = create_model("att56", "cifar10", 7, learning="naive", **options)
    contract = make_contract(dataset_info("cifar10"), tuple("abcdefg"), "float32-nchw")
    module = Deployable(network, contract).eval()
    model = to_onnx(module, contract, {})
    assert capfd.readouterr() == ("", "")
    assert model.graph.node[0].op_type == "Conv"
    assert not {"Cast", "Transpose", *FORBIDDEN} & set(kinds(model))
    sides = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sides == ["batch", 3, 32, 32]
    assert kinds(model)["Mul"] == 3, "M·T of three modules, and no normalization"
    metrics, _ = compare_models(module, model.SerializeToString(), Probes(contract=contract, files=(), count=8))
    assert metrics.max_abs <= 1e-4


def test_sizes_left_by_the_exporter_are_an_error(
    monkeypatch: pytest.MonkeyPatch, model: onnx.ModelProto, module: Deployable, contract: Contract
) -> None:
    class Program:
        model_proto = model

    model.graph.node.add(op_type="Shape", input=["images"], output=["size"])
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: Program)
    with pytest.raises(RanDeployError, match=r"left \{'Shape': 1\} in the graph"):
        to_onnx(module, contract, {})


def test_tensorrt_rtx_parses_it(exported: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(exported.read_bytes()), [str(parser.get_error(index)) for index in range(parser.num_errors)]
    assert (network.get_input(0).name, tuple(network.get_input(0).shape)) == ("images", (-1, 32, 32, 3))
    assert (network.get_output(0).name, tuple(network.get_output(0).shape)) == ("logits", (-1, 10))
