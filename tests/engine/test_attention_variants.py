"""Every kind of unit, mask and attention through the whole chain: ONNX, FP16, INT8, lint, plans of TensorRT-RTX.

Networks of one attention module: the registered ones, ten times as large, are in test_every_network.py.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from ran_deploy.arch import ran_next
from ran_deploy.arch.attention import AttentionModule
from ran_deploy.arch.blocks import conv
from ran_deploy.arch.deployable import Deployable
from ran_deploy.arch.layout import ResidualAttentionNetwork
from ran_deploy.arch.ran import PRE_ACTIVATION
from ran_deploy.arch.ran_inception import INCEPTION
from ran_deploy.arch.ran_next import AttentionNextOptions
from ran_deploy.arch.ran_options import RanOptions
from ran_deploy.arch.style import Style
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.probes import generated_images
from ran_deploy.engine.build import build_engine
from ran_deploy.graph.torch_export import to_onnx
from ran_deploy.manifest import Precision
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.lint import lint
from ran_deploy.quant.placement import place
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.qdq import insert_qdq
from ran_deploy.quant.ranges import observe_ranges
from ran_deploy.quant.simulate import rounding_model
from tests.quant.small import publish_model

INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)
IMAGES = generated_images(8, 32)
VARIANTS = (
    pytest.param(RanOptions(t=1, attention="channel"), PRE_ACTIVATION, id="channel"),
    pytest.param(
        RanOptions(t=1, attention="spatial", mask="local", learning="naive"),
        PRE_ACTIVATION,
        id="spatial",
        marks=pytest.mark.slow,
    ),
    pytest.param(RanOptions(t=1, mask="local"), PRE_ACTIVATION, id="local", marks=pytest.mark.slow),
    pytest.param(RanOptions(t=1), ran_next.style(AttentionNextOptions(width=0.125)), id="next", marks=pytest.mark.slow),
    pytest.param(RanOptions(t=1), INCEPTION, id="inception", marks=pytest.mark.slow),
)


pytestmark = pytest.mark.parametrize(("options", "style"), VARIANTS, scope="module")


def tiny(options: RanOptions, style: Style) -> ResidualAttentionNetwork:
    """A stem, a unit and an attention module of 32 channels at 16×16, with batch statistics as after training."""
    torch.manual_seed(0)
    stages = nn.Sequential(style.unit(8, 32, 2), AttentionModule(32, 1, options, style))
    network = ResidualAttentionNetwork(conv(3, 8, kernel=3), stages, style.final(32), nn.Linear(32, 10), 4)
    for _ in range(6):
        network.train()(torch.randn(8, 3, 32, 32))
    return network.eval()


@pytest.fixture(scope="module")
def network(options: RanOptions, style: Style) -> Deployable:
    return Deployable(tiny(options, style), CONTRACT).eval()


@pytest.fixture(scope="module")
def model(network: Deployable) -> onnx.ModelProto:
    return prepare(to_onnx(network, CONTRACT, {}))


def logits(model: onnx.ModelProto) -> np.ndarray:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": IMAGES})[0]  # type: ignore[no-any-return]


def noise_ratio(expected: np.ndarray, found: np.ndarray) -> float:
    """The logits' noise against the differences that they have between images."""
    return float(np.square(found - expected).mean() / expected.var(axis=0).mean())


def test_onnx_computes_what_torch_does(network: Deployable, model: onnx.ModelProto) -> None:
    with torch.inference_mode():
        expected = network(torch.from_numpy(IMAGES)).numpy()
    assert np.isfinite(expected).all()
    assert noise_ratio(expected, logits(model)) < 1e-8


def test_float16_computes_about_the_same_and_becomes_a_plan(model: onnx.ModelProto, tmp_path: Path) -> None:
    half = to_fp16(model)
    assert noise_ratio(logits(model), logits(rounding_model(half))) < 1e-3
    weighted = sum(node.op_type in ("Conv", "Gemm") for node in half.graph.node)
    path = publish_model(half, tmp_path / "half.onnx", Precision(asked="fp16"))
    assert build_engine(path).manifest.precision.obtained == {"fp16": weighted}


def test_int8_keeps_the_rules_and_becomes_a_plan(model: onnx.ModelProto, tmp_path: Path) -> None:
    ranges = observe_ranges(model, [IMAGES])
    quantized = insert_qdq(model, place(model), ranges)
    assert lint(quantized) == ()
    assert noise_ratio(logits(model), logits(quantized)) < 0.1
    weighted = sum(node.op_type == "Conv" for node in model.graph.node)
    path = publish_model(quantized, tmp_path / "int8.onnx", Precision(asked="int8", kept=("classifier/Gemm",)))
    assert build_engine(path).manifest.precision.obtained == {"fp32": 1, "int8": weighted}
