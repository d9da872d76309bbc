"""One small network, exported once for all tests, since the exporter takes most of their time."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch

from ran_deploy.arch.checkpoint import CheckpointInfo, load_checkpoint, save_weights
from ran_deploy.arch.deployable import Deployable
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.graph.export import export_onnx
from ran_deploy.graph.source import load_source
from ran_deploy.manifest import Contract, Manifest, Precision, publish

# Few units, but each part of the family: projections, masks with and without skips, full-width channels.
OPTIONS = {"t": 1, "mask_depths": (2, 2, 1)}
INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)


def save_checkpoint(path: Path, network: torch.nn.Module, labels: tuple[str, ...] = INFO.labels) -> Path:
    """Publish a network of :data:`OPTIONS` as ``ran-deploy train`` does it."""
    info = CheckpointInfo(arch="att56", dataset="cifar10", classes=len(labels), labels=labels, options=OPTIONS)
    manifest = Manifest(
        kind="checkpoint",
        arch="att56",
        dataset="cifar10",
        contract=make_contract(INFO, labels),
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
        options=OPTIONS,
    )
    publish(path, lambda target: save_weights(target, network, info), manifest)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Attention-56 whose activations are those of a sane network."""
    source = load_source("att56", "cifar10", checkpoint=None, random_weights=True, options=OPTIONS)
    return save_checkpoint(tmp_path_factory.mktemp("weights") / "att56.safetensors", source.network)


@pytest.fixture(scope="session")
def exported(checkpoint: Path) -> Path:
    """The ONNX file made of ``checkpoint``."""
    return export_onnx("att56", checkpoint=checkpoint, out=checkpoint.with_name("att56.onnx")).path


@pytest.fixture
def model(exported: Path) -> onnx.ModelProto:
    """What is in ``exported``, for the test to change as it likes."""
    return onnx.load(exported)


@pytest.fixture
def contract() -> Contract:
    return CONTRACT


@pytest.fixture
def module(checkpoint: Path) -> Deployable:
    """What ``exported`` was made of, in PyTorch."""
    return Deployable(load_checkpoint(checkpoint)[0], CONTRACT).eval()


Install = Callable[[onnx.ModelProto], None]


@pytest.fixture
def exporter_returns(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Let ``export_onnx`` take a given model for what PyTorch's exporter made; at first, what it really made."""

    def install(made: onnx.ModelProto) -> None:
        monkeypatch.setattr("ran_deploy.graph.export.to_onnx", lambda *_: made)

    install(model)
    return install
