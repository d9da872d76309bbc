from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ran_deploy.arch.checkpoint import CheckpointInfo, load_checkpoint, read_info, save_weights
from ran_deploy.arch.registry import create_model
from ran_deploy.errors import IntegrityError, UsageError

INFO = CheckpointInfo(
    arch="att56",
    dataset="cifar10",
    classes=3,
    labels=("a", "b", "c"),
    options={"width": 0.25, "mask_depths": [2, 2, 1]},
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    save_weights(path, create_model("att56", num_classes=3, width=0.25, mask_depths=(2, 2, 1)), INFO)
    return path


def test_round_trip(checkpoint: Path) -> None:
    model, info = load_checkpoint(checkpoint)
    assert info == INFO
    assert not model.training
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
def test_truncated_files_are_refused(checkpoint: Path, keep: float) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(IntegrityError, match=r"x\.safetensors"):
        load_checkpoint(checkpoint)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_info(tmp_path / "no.safetensors")
    with pytest.raises(UsageError, match="is a folder"):
        read_info(tmp_path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"x": torch.zeros(2)}, path)
    with pytest.raises(UsageError, match=r"x\.pth is not a checkpoint of ran-deploy, whose name ends in \.safetensors"):
        load_checkpoint(path)


def test_safetensors_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(UsageError, match="not a checkpoint of ran-deploy"):
        load_checkpoint(path)


def test_tensors_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(path, create_model("att56", num_classes=3, width=0.5), INFO)
    with pytest.raises(IntegrityError, match="not a whole checkpoint"):
        load_checkpoint(path)
