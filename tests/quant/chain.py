"""A chain of residual units, named as the exporter names them, that tells ten colours apart by a wide margin."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

_CHANNELS = 8
UNITS = 4
CLASSES = 10


def chain_model() -> onnx.ModelProto:
    """Stem, four bottleneck units, a mask on the last one's output, pooling, nearest-prototype classifier."""
    rng = np.random.default_rng(3)
    nodes: list[onnx.NodeProto] = []
    tensors = {"scale": np.full((1, 3, 1, 1), 1 / 64, np.float32), "offset": np.full((1, 3, 1, 1), -2, np.float32)}

    def add(module: str, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{module}/{kind}", **attributes))
        return output

    def conv(module: str, value: str, output: str, shape: tuple[int, int, int]) -> str:
        wide, narrow, kernel = shape
        size = (wide, narrow, kernel, kernel)
        tensors[f"{output}.w"] = (rng.normal(size=size) * np.sqrt(2 / (narrow * kernel**2))).astype(np.float32)
        tensors[f"{output}.b"] = (0.1 * rng.normal(size=wide)).astype(np.float32)
        return add(module, "Conv", [value, f"{output}.w", f"{output}.b"], output, pads=[kernel // 2] * 4)

    add("input", "Cast", ["images"], "float", to=TensorProto.FLOAT)
    add("input", "Transpose", ["float"], "nchw", perm=[0, 3, 1, 2])
    add("input", "Mul", ["nchw", "scale"], "scaled")
    value = conv("stem", add("input", "Add", ["scaled", "offset"], "normal"), "stem", (_CHANNELS, 3, 3))
    for unit in range(UNITS):
        name, c = f"stages.{unit}", _CHANNELS
        relu = add(f"{name}.preact.1", "Relu", [value], f"u{unit}.relu0")
        body = add(
            f"{name}.body.1.1", "Relu", [conv(f"{name}.body.1.0", relu, f"u{unit}.a", (c, c, 1))], f"u{unit}.relu1"
        )
        body = add(
            f"{name}.body.3.1", "Relu", [conv(f"{name}.body.3.0", body, f"u{unit}.b", (c, c, 3))], f"u{unit}.relu2"
        )
        value = add(name, "Add", [value, conv(f"{name}.body.4", body, f"u{unit}.c", (c, c, 1))], f"u{unit}.out")
    mask = conv("stages.4.mask.head.3", value, "mask", (_CHANNELS, _CHANNELS, 1))
    product = add("stages.4", "Mul", [add("stages.4.mask", "Sigmoid", [mask], "soft"), value], "product")
    fused = add("stages.4", "Add", [value, product], "fused")
    add("head", "GlobalAveragePool", [fused], "pooled")
    add("head", "Flatten", ["pooled"], "features", axis=1)
    tensors["fc.w"], tensors["fc.b"] = _prototypes(_model(nodes, tensors, "features", _CHANNELS))
    add("classifier", "Gemm", ["features", "fc.w", "fc.b"], "logits", transB=1)
    made = _model(nodes, tensors, "logits", CLASSES)
    onnx.checker.check_model(made, full_check=True)
    return made


def unbalance(model: onnx.ModelProto, unit: int, factor: float = 3e4) -> onnx.ModelProto:
    """Let one channel inside a unit be ``factor`` times as strong, and be read ``factor`` times as weakly.

    The float network stays the same; in INT8 that channel's range leaves no steps for the other channels.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in changed.graph.initializer}

    def scale(name: str, index: Any, by: float) -> None:
        values = numpy_helper.to_array(tensors[name]).copy()
        values[index] *= np.float32(by)
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))

    scale(f"u{unit}.b.w", 0, factor)
    scale(f"u{unit}.b.b", 0, factor)
    scale(f"u{unit}.c.w", (slice(None), 0), 1 / factor)
    return changed


def colour_images(folder: Path, each: int = 8) -> Path:
    """Write a folder of images for each of the ten classes."""
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
        for number, pixels in enumerate(_images(label, each, seed=label)):
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")
    return folder


def _images(label: int, count: int, seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    colour = np.random.default_rng(100 + label).integers(30, 226, 3)
    noisy = colour + rng.normal(scale=4, size=(count, 32, 32, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _prototypes(model: onnx.ModelProto) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A linear classifier that finds the class whose mean feature is nearest."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    means = np.stack(
        [session.run(None, {"images": _images(label, 4, seed=50 + label)})[0].mean(axis=0) for label in range(CLASSES)]
    )
    return means.astype(np.float32), (-0.5 * (means**2).sum(axis=1)).astype(np.float32)


def _model(
    nodes: list[onnx.NodeProto], tensors: dict[str, npt.NDArray[np.float32]], output: str, width: int
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
