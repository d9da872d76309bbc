"""A small network of the family as an ONNX model, with the names that the exporter gives: fast, and without torch.

Stem, unit, attention module with a mask of two levels, unit with stride 2, tail, classifier. As the exporter does it,
each convolution has taken in the normalization behind it and bears its name.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, STEM, FIRST, SECOND, CLASSES = 16, 8, 16, 32, 10
"""Side of the images in pixels, channels of the stem and of the two stages, classes."""


class _Builder:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(3)

    def add(self, op: str, module: str, *inputs: str, **attributes: Any) -> str:
        output = f"v{len(self.nodes)}"
        name = f"{module}/{op}"
        same = sum(node.name.split("_")[0] == name for node in self.nodes)
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{name}_{same}" if same else name, **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value.astype(np.float32)
        return name

    def conv(self, x: str, weight: str, module: str, shape: tuple[int, int, int], stride: int = 1) -> str:
        out, inner, kernel = shape
        values = self._rng.normal(size=(out, inner, kernel, kernel)) / np.sqrt(inner * kernel * kernel)
        inputs = [self.constant(f"network.{weight}.weight", values)]
        if weight != module:  # folded with a normalization, which leaves a bias
            inputs.append(self.constant(f"network.{weight}.weight_bias", self._rng.normal(size=out)))
        return self.add("Conv", module, x, *inputs, strides=[stride] * 2, pads=[kernel // 2] * 4)

    def normalized(self, x: str, module: str, channels: int) -> str:
        kinds = {"weight": 1.1, "bias": 0.1, "running_mean": 0.2, "running_var": 0.9}
        inputs = [self.constant(f"network.{module}.0.{kind}", np.full(channels, at)) for kind, at in kinds.items()]
        return self.add("Relu", f"{module}.1", self.add("BatchNormalization", f"{module}.0", x, *inputs))

    def unit(self, x: str, module: str, channels: tuple[int, int], stride: int = 1, active: str = "") -> str:
        (before, after), middle = channels, channels[1] // 4
        y = active or self.normalized(x, f"{module}.preact", before)
        shortcut = x
        if before != after or stride != 1:
            shortcut = self.conv(y, f"{module}.shortcut", f"{module}.shortcut", (after, before, 1), stride)
        for place, shape, step in ((0, (middle, before, 1), 1), (2, (middle, middle, 3), stride)):
            y = self.conv(y, f"{module}.body.{place}", f"{module}.body.{place + 1}.0", shape, step)
            y = self.add("Relu", f"{module}.body.{place + 1}.1", y)
        y = self.conv(y, f"{module}.body.4", f"{module}.body.4", (after, middle, 1))
        return self.add("Add", module, shortcut, y)

    def attention(self, x: str, module: str, channels: int) -> str:
        same, mask = (channels, channels), f"{module}.mask"
        x = self.unit(x, f"{module}.before.0", same)
        trunk = self.unit(x, f"{module}.trunk.0", same)
        m = self.unit(self.pool(x, mask), f"{mask}.down.0.0", same)
        skip = self.unit(m, f"{mask}.skip.0.0", same)
        m = self.unit(self.pool(m, mask), f"{mask}.bottom.0", same)
        m = self.unit(m, f"{mask}.bottom.1", same)
        m = self.unit(self.add("Add", mask, self.upsample(m, mask), skip), f"{mask}.up.0.0", same)
        m = self.normalized(self.upsample(m, mask), f"{mask}.head.0", channels)
        m = self.conv(m, f"{mask}.head.1", f"{mask}.head.2.0", (channels, channels, 1))
        m = self.add("Relu", f"{mask}.head.2.1", m)
        m = self.add("Sigmoid", mask, self.conv(m, f"{mask}.head.3", f"{mask}.head.3", (channels, channels, 1)))
        fused = self.add("Add", module, trunk, self.add("Mul", module, m, trunk))
        return self.unit(fused, f"{module}.after.0", same)

    def pool(self, x: str, module: str) -> str:
        return self.add("MaxPool", module, x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    def upsample(self, x: str, module: str) -> str:
        scales = self.constant("scales", np.array([1, 1, 2, 2]))
        return self.add("Resize", module, x, "", scales, mode="linear", coordinate_transformation_mode="align_corners")


def small_network() -> onnx.ModelProto:
    """uint8 images [batch, 16, 16, 3] to logits [batch, 10]."""
    b = _Builder()
    x = b.add("Transpose", "input", b.add("Cast", "input", "images", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    x = b.add("Add", "input", b.add("Mul", "input", x, b.constant("scale", np.full((1, 3, 1, 1), 0.01))), "offset")
    b.constant("offset", np.full((1, 3, 1, 1), -1))
    x = b.conv(x, "stem", "stages.0.preact.0", (STEM, 3, 3))
    x = b.unit("", "stages.0", (STEM, FIRST), active=b.add("Relu", "stages.0.preact.1", x))
    x = b.unit(b.attention(x, "stages.1", FIRST), "stages.2", (FIRST, SECOND), stride=2)
    x = b.add("Flatten", "head", b.add("GlobalAveragePool", "head", b.normalized(x, "final", SECOND)))
    weight = b.constant("network.classifier.weight", np.ones((CLASSES, SECOND)))
    x = b.add("Gemm", "classifier", x, weight, b.constant("network.classifier.bias", np.zeros(CLASSES)), transB=1)
    b.nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        b.nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in b.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model
