"""Networks of other libraries, as torch exports them, all the way to FP16, INT8 and plans."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.deploying.deploy import deploy
from ran_deploy.deploying.options import DeployOptions, Gates, Int8, Load, RuntimeName
from ran_deploy.deploying.request import DeployRequest
from tests.deploying.foreign_networks import ConvNeXt, ResNet, VisionTransformer, export, trained

HAS_RTX = importlib.util.find_spec("tensorrt_rtx") is not None
RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "tensorrt-rtx") if HAS_RTX else ("onnxruntime",)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, dataset = tmp_path_factory.mktemp("calibration"), make_synthetic("train", count=64)
    for index, image in enumerate(dataset.images):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "dynamo", "dynamic", "opset"),
    [
        (ResNet, False, False, 11),
        (ResNet, True, False, 18),
        (VisionTransformer, False, True, 13),
        (VisionTransformer, True, False, 18),
        (ConvNeXt, False, False, 17),
    ],
)
def test_from_torch_to_engines(
    kind: type[nn.Module], dynamo: bool, dynamic: bool, opset: int, images: Path, tmp_path: Path
) -> None:
    source = export(trained(kind), tmp_path / "theirs.onnx", dynamo=dynamo, dynamic=dynamic, opset=opset)
    run = deploy(
        tmp_path / "out",
        DeployRequest(onnx=source, dataset="synthetic", calib_data=images),
        DeployOptions(
            runtimes=RUNTIMES,
            eval_limit=300,
            threads=1,
            layers=False,
            gates=Gates(fp16=2.0, int8=10.0),  # of 300 images and a network trained for seconds
            int8=Int8(samples=64),
            load=Load(batches=(1, 2), duration_s=0.0, rounds=5),
        ),
    )
    found = {(variant.precision, variant.runtime): variant for variant in run.result.variants}
    assert len(found) == 3 * len(RUNTIMES)
    for (precision, runtime), variant in found.items():
        assert variant.engine is not None, variant.reason
        assert variant.obtained.get(precision, 0) > 0
        if runtime == "onnxruntime":
            assert variant.status in ("passed", "recommended"), variant.reason
            assert variant.accuracy is not None
            assert variant.accuracy.top1 > 20
