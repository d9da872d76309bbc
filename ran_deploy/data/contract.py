"""The contract of the project's own engines, as a function of the dataset and the kind of input."""

from typing import Literal

from ran_deploy.data.catalog import DatasetInfo
from ran_deploy.manifest import DYNAMIC, Contract, Preprocessing, TensorSpec

InputKind = Literal["uint8", "float32-nchw"]
INPUT_NAME = "images"
OUTPUT_NAME = "logits"
MASK_PREFIX = "mask_stage"
"""How the names of the attention masks begin, such as "mask_stage2_1" for the first module of the second stage."""


def make_contract(info: DatasetInfo, labels: tuple[str, ...], kind: InputKind = "uint8") -> Contract:
    """Return the contract of an engine for ``info`` with as many classes as ``labels``."""
    size = info.size
    if kind == "uint8":
        images = TensorSpec(name=INPUT_NAME, dtype="uint8", shape=(DYNAMIC, size, size, 3), layout="NHWC")
    else:
        images = TensorSpec(name=INPUT_NAME, dtype="float32", shape=(DYNAMIC, 3, size, size), layout="NCHW")
    return Contract(
        input=images,
        output=TensorSpec(name=OUTPUT_NAME, dtype="float32", shape=(DYNAMIC, len(labels)), layout="NC"),
        preprocessing=Preprocessing(resize=info.resize, size=size, mean=info.mean, std=info.std),
        labels=labels,
    )


def mask_place(name: str) -> tuple[int, int]:
    """Return stage and module, counted from 1, of a mask's name: (2, 1) for "mask_stage2_1"."""
    stage, module = name.removeprefix(MASK_PREFIX).split("_")
    return int(stage), int(module)
