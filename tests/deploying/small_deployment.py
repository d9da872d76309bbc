"""A deployment that is small enough to be run many times: a network made by hand, few images, the shortest timings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.deploying.options import DeployOptions, Int8, Load
from ran_deploy.deploying.request import DeployRequest
from tests.quant.small import publish_model, small_model

OPTIONS = DeployOptions(
    precisions=("fp32", "int8"),
    runtimes=("onnxruntime",),
    eval_limit=16,
    threads=1,
    layers=False,
    int8=Int8(samples=8),
    load=Load(batches=(1, 2), duration_s=0.0, rounds=5),
)
STAGES = (
    "import",
    "int8",
    "accuracy-fp32-onnxruntime",
    "accuracy-int8-onnxruntime",
    "bench-fp32-onnxruntime",
    "bench-int8-onnxruntime",
    "pareto",
    "report",
)
"""The stages of a deployment with these options."""
ALL = replace(OPTIONS, precisions=("fp32", "fp16", "int8"))


def make_source(folder: Path) -> DeployRequest:
    """Write the network and eight images to calibrate on."""
    info = dataset_info("synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    onnx = publish_model(small_model(), folder / "small.onnx", contract=make_contract(info, info.labels))
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(3)
    for index in range(8):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(images / f"{index}.png")
    return request_of(onnx.parent)


def request_of(folder: Path) -> DeployRequest:
    """Return the request for what :func:`make_source` wrote."""
    return DeployRequest(onnx=folder / "small.onnx", dataset="synthetic", calib_data=folder / "images")
