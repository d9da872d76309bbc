"""Engines to package: a small network that really runs, and a file that is described like a plan."""

from dataclasses import replace
from pathlib import Path

import onnx

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.manifest import DYNAMIC, BatchProfile, Build, Contract, Manifest, Precision, publish
from tests.quant.small import publish_model, small_model

CLASSES = 10


def contract(batch: int = DYNAMIC) -> Contract:
    """The contract of the small network, with a dynamic batch or a fixed one."""
    info = dataset_info("cifar10")
    found = make_contract(info, info.labels)
    return replace(
        found,
        input=replace(found.input, shape=(batch, *found.input.shape[1:])),
        output=replace(found.output, shape=(batch, CLASSES)),
    )


def onnx_engine(path: Path, *, batch: int = DYNAMIC, described: Contract | None = None, bias: float = 0.0) -> Path:
    """Write the small network; ``bias`` makes another of it."""
    model = small_model()
    if batch != DYNAMIC:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch
    if bias:
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        shifted = onnx.numpy_helper.to_array(tensors["fc_b"]) + bias
        tensors["fc_b"].CopyFrom(onnx.numpy_helper.from_array(shifted.astype("float32"), "fc_b"))
    return publish_model(model, path, contract=described or contract(batch))


def plan_engine(
    path: Path, *, flavour: str = "tensorrt", profile: tuple[int, int, int] = (1, 8, 32), build: bool = True
) -> Path:
    """Write a file that is named and described like a plan; nothing here ever deserializes it."""
    smallest, tuned, largest = profile
    built = Build(
        flavour=flavour,  # type: ignore[arg-type]
        version="10.13.0.35",
        targets=("sm89",),
        gpu="NVIDIA L4",
        profile=BatchProfile(min_batch=smallest, opt_batch=tuned, max_batch=largest),
        optimization_level=3,
    )
    manifest = Manifest(
        kind="plan",
        arch="att56",
        dataset="cifar10",
        contract=contract(),
        precision=Precision(asked="fp16"),
        parents=(),
        key="by-hand",
        build=built if build else None,
    )
    publish(path, b"plan" * 100, manifest)
    return path
