"""Small real engines: one network as checkpoint and as ONNX, and tiny models whose answers are known by hand."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from ran_deploy.arch.checkpoint import CheckpointInfo, save_weights
from ran_deploy.arch.deployable import Deployable
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.files import sha256_file, write_bytes
from ran_deploy.manifest import (
    DYNAMIC,
    BatchProfile,
    Build,
    Contract,
    Manifest,
    Parent,
    Precision,
    Preprocessing,
    TensorSpec,
    publish,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """One network in the forms that run on a CPU, each with its manifest."""

    checkpoint: Path
    onnx: Path


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    folder = tmp_path_factory.mktemp("engines")
    torch.manual_seed(5)
    info = dataset_info("synthetic")
    contract = make_contract(info, info.labels)
    network = create_model("att56", "synthetic", width=0.25).train()
    with torch.no_grad():
        for _ in range(4):  # batch statistics as after training; without them the logits hardly vary
            network(torch.randn(16, 3, 32, 32))
    network.eval()
    meta = CheckpointInfo(arch="att56", dataset="synthetic", classes=10, labels=info.labels, options={"width": 0.25})
    found = Engines(checkpoint=folder / "att56.safetensors", onnx=folder / "att56.onnx")
    publish(found.checkpoint, lambda path: save_weights(path, network, meta), describe("checkpoint", contract))
    publish(
        found.onnx,
        lambda path: _export(Deployable(network, contract).eval(), path),
        describe(
            "onnx", contract, parents=(Parent(role="checkpoint", name="a", sha256=sha256_file(found.checkpoint)),)
        ),
    )
    return found


def _export(module: Deployable, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own dependencies warn of their future
        torch.onnx.export(
            module,
            (torch.zeros(2, 32, 32, 3, dtype=torch.uint8),),
            path,
            dynamo=True,
            opset_version=20,
            external_data=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            verbose=False,
        )


def describe(
    kind: str, contract: Contract, *, parents: tuple[Parent, ...] = (), build: Build | None = None
) -> Manifest:
    return Manifest(
        kind=kind,  # type: ignore[arg-type]
        arch="att56",
        dataset="synthetic",
        contract=contract,
        precision=Precision(asked="fp32"),
        parents=parents,
        key="test",
        build=build,
    )


MakeMeans = Callable[..., Path]


@pytest.fixture
def make_means(tmp_path: Path) -> MakeMeans:
    """Make an engine whose logits are the mean R, G and B of an image, times ``weights`` [3, classes]."""

    def make(
        name: str = "means.onnx",
        *,
        weights: np.ndarray | None = None,
        batch: int = DYNAMIC,
        size: int = 4,
        dtype: str = "uint8",
        opset: int = 20,
        labels: tuple[str, ...] | None = None,
        manifest: bool = True,
    ) -> Path:
        matrix = np.eye(3, dtype=np.float32) if weights is None else weights.astype(np.float32)
        classes = matrix.shape[1]
        nchw = dtype != "uint8"
        shape = (batch, 3, size, size) if nchw else (batch, size, size, 3)
        contract = Contract(
            input=TensorSpec(name="images", dtype=dtype, shape=shape, layout="NCHW" if nchw else "NHWC"),  # type: ignore[arg-type]
            output=TensorSpec(name="logits", dtype="float32", shape=(batch, classes), layout="NC"),
            preprocessing=Preprocessing(resize=None, size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
            labels=labels or tuple(f"class{index}" for index in range(classes)),
        )
        path = tmp_path / name
        model = _means_model(matrix, contract, nchw, opset)
        if manifest:
            publish(path, lambda target: onnx.save(model, target), describe("onnx", contract))
        else:
            onnx.save(model, path)
        return path

    return make


def _means_model(matrix: np.ndarray, contract: Contract, nchw: bool, opset: int) -> onnx.ModelProto:
    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}

    def value(spec: TensorSpec) -> onnx.ValueInfoProto:
        shape = ["batch" if side == DYNAMIC else side for side in spec.shape]
        return helper.make_tensor_value_info(spec.name, types[spec.dtype], shape)

    axes = [2, 3] if nchw else [1, 2]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [value(contract.input)],
        [value(contract.output)],
        [onnx.numpy_helper.from_array(np.array(axes), "axes"), onnx.numpy_helper.from_array(matrix, "matrix")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


MakePlan = Callable[..., Path]


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """Publish a file that is named and described like a plan; its bytes are never deserialized without a GPU."""

    def make(
        *,
        flavour: str = "tensorrt-rtx",
        version: str = "1.0",
        targets: tuple[str, ...] = ("sm80", "sm120+"),
        parent: Path | None = None,
        build: bool = True,
    ) -> Path:
        info = dataset_info("synthetic")
        parents = () if parent is None else (Parent(role="onnx", name=parent.name, sha256=sha256_file(parent)),)
        built = Build(
            flavour=flavour,  # type: ignore[arg-type]
            version=version,
            targets=targets,
            gpu=None,
            profile=BatchProfile(min_batch=1, opt_batch=8, max_batch=64),
            optimization_level=3,
        )
        path = tmp_path / "model.plan"
        described = describe("plan", make_contract(info, info.labels), parents=parents, build=built if build else None)
        publish(path, lambda target: write_bytes(target, b"plan" * 100), described)
        return path

    return make
