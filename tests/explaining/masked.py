"""Engines with masks that cost nothing: an ONNX file whose masks are known by hand, and a narrow network."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.arch.checkpoint import CheckpointInfo, save_weights
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.manifest import DYNAMIC, Contract, Manifest, Precision, Preprocessing, TensorSpec, publish

SIZE = 8
LABELS = ("red", "green", "blue")


def masked_contract(classes: tuple[str, ...] = LABELS) -> Contract:
    def mask(name: str, side: int) -> TensorSpec:
        return TensorSpec(name=name, dtype="float32", shape=(DYNAMIC, side, side), layout="NHW")

    return Contract(
        input=TensorSpec(name="images", dtype="uint8", shape=(DYNAMIC, SIZE, SIZE, 3), layout="NHWC"),
        output=TensorSpec(name="logits", dtype="float32", shape=(DYNAMIC, len(classes)), layout="NC"),
        preprocessing=Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        labels=classes,
        masks=(mask("mask_stage1_1", SIZE), mask("mask_stage1_2", SIZE), mask("mask_stage2_1", SIZE // 2)),
    )


def describe(contract: Contract) -> Manifest:
    return Manifest(
        kind="onnx",
        arch="att56",
        dataset="synthetic",
        contract=contract,
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
    )


def save_masked(path: Path, *, labels: tuple[str, ...] = LABELS, overflow: bool = False) -> Path:
    """Publish an engine whose logits are 8 × the mean red, green and blue, and whose masks are brightness.

    ``mask_stage1_1`` is the mean of the channels, ``mask_stage1_2`` one minus it, ``mask_stage2_1`` every second pixel
    of the first. With ``overflow`` the first mask is infinite where the image is white.
    """
    contract = masked_contract(labels)
    tensors = {
        "scale": np.array(1 / 255, np.float32),
        "eight": np.array(8, np.float32),
        "one": np.array(1, np.float32),
        "space": np.array([1, 2]),
        "channels": np.array([3]),
        "starts": np.array([0, 0]),
        "ends": np.array([SIZE, SIZE]),
        "steps": np.array([2, 2]),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        node("Mul", ["float", "scale"], ["pixels"]),
        node("ReduceMean", ["pixels", "space"], ["means"], keepdims=0),
        node("Mul", ["means", "eight"], ["logits"]),
        node("ReduceMean", ["pixels", "channels"], ["bright"], keepdims=0),
        node("Sub", ["one", "bright"], ["mask_stage1_2"]),
        node("Div", ["bright", "mask_stage1_2"] if overflow else ["bright", "one"], ["mask_stage1_1"]),
        node("Slice", ["bright", "starts", "ends", "space", "steps"], ["mask_stage2_1"]),
    ]

    def value(spec: TensorSpec) -> onnx.ValueInfoProto:
        kind = TensorProto.UINT8 if spec.dtype == "uint8" else TensorProto.FLOAT
        return helper.make_tensor_value_info(spec.name, kind, ["batch", *spec.shape[1:]])

    graph = helper.make_graph(
        nodes,
        "masked",
        [value(contract.input)],
        [value(spec) for spec in (contract.output, *contract.masks)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    publish(path, lambda target: onnx.save(model, target), describe(contract))
    return path


def save_checkpoint(path: Path, arch: str = "att92") -> Path:
    """Publish a narrow network: stages of 2 modules at 32×32, 16×16 and 8×8, with 8, 16 and 32 channels."""
    info = dataset_info("synthetic")
    torch.manual_seed(3)
    network = create_model(arch, "synthetic", width=0.125).eval()
    meta = CheckpointInfo(
        arch=arch, dataset="synthetic", classes=info.classes, labels=info.labels, options={"width": 0.125}
    )
    manifest = Manifest(
        kind="checkpoint",
        arch=arch,
        dataset="synthetic",
        contract=make_contract(info, info.labels),
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
        options={"width": 0.125},
    )
    publish(path, lambda target: save_weights(target, network, meta), manifest)
    return path
