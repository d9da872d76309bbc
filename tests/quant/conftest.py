"""The models that the tests of the precision passes work on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.quant.small import hot_model, small_model


@pytest.fixture
def model() -> onnx.ModelProto:
    """A small network with every operator of the family."""
    return small_model()


@pytest.fixture
def hot() -> onnx.ModelProto:
    """The same with activations that float16 cannot hold."""
    return hot_model()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's cache, or another test's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def attention() -> onnx.ModelProto:
    """A narrow Attention-56 as the exporter gives it, with batch normalizations that are not identities."""
    import torch

    from ran_deploy.arch.deployable import Deployable
    from ran_deploy.arch.registry import create_model
    from ran_deploy.data.catalog import dataset_info
    from ran_deploy.data.contract import make_contract
    from ran_deploy.graph.torch_export import to_onnx

    torch.manual_seed(0)
    info = dataset_info("cifar10")
    contract = make_contract(info, info.labels)
    network = create_model("att56", width=0.25).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    return to_onnx(Deployable(network, contract).eval(), contract, {})


@pytest.fixture
def make_images() -> Callable[..., Path]:
    """Write a folder of smooth colour images, one subfolder for each class."""

    def make(folder: Path, classes: int = 4, each: int = 8, size: int = 32) -> Path:
        rng = np.random.default_rng(5)
        for label in range(classes):
            (folder / f"class{label}").mkdir(parents=True)
            for number in range(each):
                coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
                coarse.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"class{label}" / f"{number}.png")
        return folder

    return make
