"""Engines that are small enough to be started often, and whose answers are known by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from ran_deploy.manifest import DYNAMIC, Contract, Manifest, Precision, Preprocessing, TensorSpec, publish

SIZE = 4
LABELS = ("red", "green", "blue")


def save_engine(
    path: Path, *, scale: float = 1.0, batch: int = DYNAMIC, labels: Sequence[str] = LABELS, manifest: bool = True
) -> Path:
    """Write an engine whose logits are the mean R, G and B of an image, times ``scale``."""
    side: int | str = "batch" if batch == DYNAMIC else batch
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
            helper.make_node("Mul", ["means", "scale"], ["logits"]),
        ],
        "means",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [side, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [side, 3])],
        [
            onnx.numpy_helper.from_array(np.array([1, 2]), "axes"),
            onnx.numpy_helper.from_array(np.array(scale, np.float32), "scale"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if not manifest:
        onnx.save(model, path)
        return path
    publish(path, lambda target: onnx.save(model, target), described(batch, labels))
    return path


def described(batch: int = DYNAMIC, labels: Sequence[str] = LABELS) -> Manifest:
    """Return the manifest of :func:`save_engine`'s engine, but for what publishing fills in."""
    return Manifest(
        kind="onnx",
        arch=None,
        dataset=None,
        contract=Contract(
            input=TensorSpec(name="images", dtype="uint8", shape=(batch, SIZE, SIZE, 3), layout="NHWC"),
            output=TensorSpec(name="logits", dtype="float32", shape=(batch, 3), layout="NC"),
            preprocessing=Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
            labels=tuple(labels),
        ),
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
    )


def some_images(count: int, seed: int = 0) -> np.ndarray:
    """Make uint8 images [count, 4, 4, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def means_of(images: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the logits of :func:`save_engine`'s engine, but for the last bits."""
    means: np.ndarray = images.astype(np.float64).mean(axis=(1, 2)) * scale
    return means.astype(np.float32)
