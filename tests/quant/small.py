"""A small network with every operator of the family, as ONNX made by hand, with its manifest."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.manifest import Contract, Manifest, Parent, Precision, publish


def small_model() -> onnx.ModelProto:
    """Normalization, convolution, BN, a pooled and upsampled mask on a trunk, pooling and a classifier."""
    rng = np.random.default_rng(7)

    def weight(*shape: int) -> npt.NDArray[np.float32]:
        return np.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)

    tensors = {
        "scale": np.full((1, 3, 1, 1), 1 / 64, np.float32),
        "offset": np.full((1, 3, 1, 1), -2, np.float32),
        "stem_w": weight(8, 3, 3, 3),
        "gamma": rng.uniform(0.5, 2, 8).astype(np.float32),
        "beta": rng.normal(size=8).astype(np.float32),
        "mean": rng.normal(size=8).astype(np.float32),
        "var": rng.uniform(0.5, 2, 8).astype(np.float32),
        "mask_w": weight(8, 8, 1, 1),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "fc_w": weight(10, 8),
        "fc_b": rng.normal(size=10).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["float"], name="cast", to=TensorProto.FLOAT),
        node("Transpose", ["float"], ["nchw"], name="transpose", perm=[0, 3, 1, 2]),
        node("Mul", ["nchw", "scale"], ["scaled"], name="mul"),
        node("Add", ["scaled", "offset"], ["normal"], name="add"),
        node("Conv", ["normal", "stem_w"], ["stem"], name="stem", pads=[1] * 4),
        node("BatchNormalization", ["stem", "gamma", "beta", "mean", "var"], ["bn"], name="bn"),
        node("Relu", ["bn"], ["relu"], name="relu"),
        node("MaxPool", ["relu"], ["pooled"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pooled", "mask_w"], ["mask"], name="mask"),
        node("Resize", ["mask", "", "scales"], ["up"], name="up", mode="linear"),
        node("Sigmoid", ["up"], ["soft"], name="sigmoid"),
        node("Mul", ["soft", "relu"], ["attended"], name="attend"),
        node("Add", ["relu", "attended"], ["fused"], name="fuse"),
        node("GlobalAveragePool", ["fused"], ["features"], name="average"),
        node("Flatten", ["features"], ["flat"], name="flatten"),
        node("Gemm", ["flat", "fc_w", "fc_b"], ["logits"], name="classifier", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def hot_model() -> onnx.ModelProto:
    """The small model with a stem 5e4 times as strong, undone by a BN variance of 1e10: it needs more than float16."""
    model = small_model()
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, factor in (("stem_w", 5e4), ("mean", 5e4), ("var", 1e10)):
        value = numpy_helper.to_array(tensors[name]) * np.float32(factor)
        tensors[name].CopyFrom(numpy_helper.from_array(value, name))
    return model


def publish_model(
    model: onnx.ModelProto,
    path: Path,
    precision: Precision | None = None,
    *,
    contract: Contract | None = None,
    parents: tuple[Parent, ...] = (),
) -> Path:
    """Write a model with the manifest that the exporter would give it."""
    info = dataset_info("cifar10")
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset="cifar10",
        contract=contract or make_contract(info, info.labels),
        precision=precision or Precision(asked="fp32"),
        parents=parents,
        key="by-hand",
    )
    content = model.SerializeToString()

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    publish(path, write, manifest)
    return path
