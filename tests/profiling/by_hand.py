"""Small graphs and profiles made by hand: their times are invented, and never measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ran_deploy.profiling.fold import cost_kernels, fold, group_cost
from ran_deploy.profiling.graph import read_graph
from ran_deploy.profiling.result import KernelCost, ProfileOptions, ProfileResult
from ran_deploy.profiling.roofline import Bandwidth, Roofline
from ran_deploy.profiling.sample import KernelTime
from ran_deploy.runtime.session import SessionInfo
from tests.bench.hand_made import ENVIRONMENT

ROOFLINE = Roofline(
    threads=1,
    gflops=100.0,
    bandwidths=(
        Bandwidth(working_set_bytes=1000, gbytes_per_s=50.0),
        Bandwidth(working_set_bytes=10_000, gbytes_per_s=10.0),
        Bandwidth(working_set_bytes=20_000, gbytes_per_s=5.0),
    ),
)
RUN_US = 100.0


def make_model(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray],
    shape: Sequence[int | str] = ("batch", 4, 8, 8),
) -> onnx.ModelProto:
    """A model from the input "x" to the output "y", whose shape is left open."""
    graph = helper.make_graph(
        list(nodes),
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def node(op: str, inputs: Sequence[str], output: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [output], name=name, **attributes)


def weights(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def unit_model() -> onnx.ModelProto:
    """A stem with a folded normalization, and a unit with a trunk and a mask, named as the exporter names them."""
    return make_model(
        [
            node("Conv", ["x", "network.stem.weight"], "a", "stages.0.preact.0/Conv", pads=[1] * 4),
            node("Relu", ["a"], "relu", "stages.0.preact.1/Relu"),
            node("Conv", ["relu", "network.stages.1.trunk.0.body.0.weight"], "t", "stages.1.trunk.0.body.1.0/Conv"),
            node("MaxPool", ["relu"], "p", "stages.1.mask/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Resize", ["p", "", "scales"], "u", "stages.1.mask/Resize", mode="linear"),
            node("Sigmoid", ["u"], "m", "stages.1.mask.head/Sigmoid"),
            node("Mul", ["m", "t"], "mt", "stages.1/Mul"),
            node("Add", ["t", "mt"], "y", "stages.1/Add"),
        ],
        {
            "network.stem.weight": weights(4, 4, 3, 3),
            "network.stages.1.trunk.0.body.0.weight": weights(4, 4, 1, 1),
            "scales": np.array([1, 1, 2, 2], np.float32),
        },
    )


def unit_times() -> tuple[KernelTime, ...]:
    """The unit's kernels as ONNX Runtime would name them, with a reorder and one that nobody knows."""
    rows = (
        ("relu_nchwc", "Conv", 20.0, 0.0),
        ("t_nchwc", "Conv", 10.0, 25.0),
        ("p_nchwc", "MaxPool", 5.0, 36.0),
        ("u_nchwc", "Upsample", 8.0, 42.0),
        ("stages.1.mask.head/Sigmoid", "Sigmoid", 2.0, 50.0),
        ("ReorderOutput", "ReorderOutput", 3.0, 53.0),
        ("stages.1/Mul", "Mul", 4.0, 57.0),
        ("stages.1/Add", "Add", 4.0, 61.0),
        ("mystery", "Mystery", 1.0, 65.0),
    )
    return tuple(
        KernelTime(name=name, op=op, us=us, claims=(name,), start_us=start_us) for name, op, us, start_us in rows
    )


def unit_costs(roofline: Roofline | None = ROOFLINE) -> tuple[KernelCost, ...]:
    return cost_kernels(unit_times(), read_graph(unit_model(), 1), run_us=RUN_US, roofline=roofline)


def unit_result(roofline: Roofline | None = ROOFLINE, run_us: float = RUN_US) -> ProfileResult:
    costs = unit_costs(roofline)
    total = group_cost("all kernels", costs, run_us=run_us, branches=False)
    return ProfileResult(
        engine="folder/unit.onnx",
        session=SessionInfo(
            engine="folder/unit.onnx",
            sha256="0" * 64,
            runtime="onnxruntime",
            provider="CPUExecutionProvider",
            device="cpu",
            precision="fp32",
            threads=1,
            load_s=0.1,
        ),
        batch=1,
        inputs="random pixels",
        method="by hand",
        run_us=run_us,
        fastest_run_us=run_us,
        overhead_us=run_us - total.us,
        total=total,
        parts=fold(costs, lambda kernel: kernel.part, run_us=run_us, branches=True),
        types=fold(costs, lambda kernel: kernel.op, run_us=run_us, branches=False),
        kernels=tuple(sorted(costs, key=lambda kernel: kernel.us, reverse=True)),
        roofline=roofline,
        remarks=(),
        plot=None,
        trace=None,
        options=ProfileOptions(batch=1),
        environment=ENVIRONMENT,
    )
