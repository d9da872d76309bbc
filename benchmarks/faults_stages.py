"""The stages that the fault benchmarks disturb, on networks so small that a trial takes about a second."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ran_deploy.deploying.deploy import deploy
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.engine.profile import make_profile
from ran_deploy.graph.export import export_onnx
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.run import train_network
from tests.deploying.small_deployment import OPTIONS

ARCH, DATASET = "att56", "synthetic"
SMALL = {"width": 0.125, "mask_depths": (1, 1, 1)}
RECIPE = Recipe(epochs=3, batch=16, lr=0.05, ema=0.9, validation=20, precision="fp32", compile="off")
_IMAGES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage in a folder."""

    name: str
    run: Callable[[Path], object]
    """Does the stage in a folder that holds its inputs; a second time it goes on, or finds nothing to do."""
    needs: tuple[str, ...]
    """Stages whose artefacts are its inputs."""
    makes: tuple[str, ...]
    reproducible: bool = True
    """Whether two runs give the same bytes."""


def _train(folder: Path) -> object:
    return train_network(
        ARCH, dataset=DATASET, data=None, out=folder, recipe=RECIPE, images=_IMAGES, options=SMALL, resume=True
    )


def _export(folder: Path) -> object:
    return export_onnx(
        ARCH, dataset=DATASET, checkpoint=folder / f"{ARCH}_{DATASET}.safetensors", out=folder / "a.onnx"
    )


def _quantize(folder: Path) -> object:
    options = CalibrationOptions(dataset="folder", data=folder / "images", samples=12, method="minmax")
    return quantize_int8(folder / "a.onnx", options, out=folder / "a_int8.onnx")


def _build(folder: Path) -> object:
    options = BuildOptions(flavour="tensorrt-rtx", targets=("sm86",), profile=make_profile(1, 2, 4))
    return build_engine(folder / "a_int8.onnx", out=folder / "a_int8.plan", options=options)


def _deploy(folder: Path) -> object:
    request = DeployRequest(onnx=folder / "a.onnx", dataset=DATASET, calib_data=folder / "images")
    return deploy(folder / "out", request, OPTIONS)


STAGES = {
    stage.name: stage
    for stage in (
        Stage(name="train", run=_train, needs=(), makes=(f"{ARCH}_{DATASET}.safetensors",)),
        Stage(name="export", run=_export, needs=("train",), makes=("a.onnx",)),
        Stage(name="quantize", run=_quantize, needs=("train", "export"), makes=("a_int8.onnx",)),
        Stage(
            name="build",
            run=_build,
            needs=("train", "export", "quantize"),
            makes=("a_int8.plan",),
            reproducible=False,
        ),
        Stage(
            name="deploy",
            run=_deploy,
            needs=("train", "export"),
            makes=("out/a.onnx", "out/a_int8.onnx"),
        ),
    )
}


def prepare(stage: Stage, folder: Path) -> Path:
    """Make the inputs of a stage in ``folder``, and the pictures that INT8 is calibrated on."""
    pictures = folder / "images"
    for number in range(12):
        path = pictures / f"class{number % 4}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((32, 32), 10 + 15 * number).convert("RGB").save(path)
    for name in stage.needs:
        STAGES[name].run(folder)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    return folder
