"""The weights of an export: which are taken, and which are refused."""

import shutil
from pathlib import Path

import pytest
import torch

from ran_deploy import resources
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.graph.source import Source, load_source
from ran_deploy.manifest import manifest_path
from tests.graph.conftest import INFO, OPTIONS, save_checkpoint


def load(
    arch: str = "att56", dataset: str = "cifar10", *, checkpoint: Path | None = None, random: bool = False
) -> Source:
    return load_source(arch, dataset, checkpoint=checkpoint, random_weights=random, options=None)


def test_a_checkpoint_brings_its_options_labels_and_digest(checkpoint: Path, tmp_path: Path) -> None:
    source = load(checkpoint=checkpoint)
    assert (source.options, source.labels, source.weights) == (
        {"t": 1, "mask_depths": [2, 2, 1]},
        INFO.labels,
        "trained",
    )
    (parent,) = source.parents
    assert (parent.role, parent.name, parent.sha256) == ("checkpoint", checkpoint.name, sha256_file(checkpoint))
    assert source.digest == parent.sha256
    assert not source.network.training
    other = save_checkpoint(tmp_path / "x.safetensors", source.network, tuple("abcdefghij"))
    assert load(checkpoint=other).labels == tuple("abcdefghij")


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = load_source("att56", "cifar10", checkpoint=None, random_weights=True, options={"width": 0.25, **OPTIONS})
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = load_source("att56", "cifar10", checkpoint=None, random_weights=True, options={"width": 0.25, **OPTIONS})
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
    assert (first.digest, first.weights, first.parents) == (second.digest, "random", ())


def test_random_weights_keep_the_numbers_sane() -> None:
    network = load("att56", random=True).network
    activations = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, output: activations.append(output.abs().max().item()))
    with torch.inference_mode():
        logits = network(torch.randn(32, 3, 32, 32))
    assert max(activations) < 1000
    assert 0.01 < logits.std() < 10
    assert logits.argmax(dim=1).unique().numel() > 1, "the answers vary, or agreement would mean nothing"


def test_random_weights_of_a_dataset_whose_labels_its_folder_names() -> None:
    labels = load_source("att56", "cifar100", checkpoint=None, random_weights=True, options={"width": 0.25}).labels
    assert (labels[0], labels[99], len(labels)) == ("0", "99", 100)


def test_shipped_weights_are_the_default(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(resources, "models_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="No weights ship for att56 on cifar10") as caught:
        load()
    assert "--checkpoint" in caught.value.fix
    assert "--random-weights" in caught.value.fix
    shutil.copy(checkpoint, tmp_path / "weights" / "att56_cifar10.safetensors")
    assert load().digest == sha256_file(checkpoint)


def test_a_checkpoint_of_another_network_or_dataset(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="is a checkpoint of att56 for cifar10; att92 for cifar10 was asked for"):
        load("att92", checkpoint=checkpoint)
    with pytest.raises(UsageError, match="is a checkpoint of att56 for cifar10; att56 for synthetic") as caught:
        load("att56", "synthetic", checkpoint=checkpoint)
    assert "--arch att56 --dataset cifar10" in caught.value.fix


@pytest.mark.parametrize("with_checkpoint", [True, False])
@pytest.mark.parametrize(("arch", "dataset"), [("att93", "cifar10"), ("att92", "cifar"), ("", "cifar10")])
def test_unknown_names_are_refused_first(arch: str, dataset: str, with_checkpoint: bool, checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        load(arch, dataset, checkpoint=checkpoint if with_checkpoint else None)


def test_options_that_contradict_each_other(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="Both a checkpoint and --random-weights"):
        load(checkpoint=checkpoint, random=True)
    with pytest.raises(UsageError, match="come from its checkpoint"):
        load_source("att56", "cifar10", checkpoint=checkpoint, random_weights=False, options={"width": 2.0})


def test_damaged_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    content = checkpoint.read_bytes()
    path = tmp_path / checkpoint.name
    with pytest.raises(UsageError, match="does not exist"):
        load(checkpoint=path)
    with pytest.raises(UsageError, match="is a folder"):
        load(checkpoint=tmp_path)
    for damage in (b"", content[:-10], content[:20], b"not a checkpoint at all"):
        path.write_bytes(damage)
        with pytest.raises(IntegrityError, match=r"is empty|is not a whole checkpoint"):
            load(checkpoint=path)
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    shutil.copy(manifest_path(checkpoint), manifest_path(path))
    with pytest.raises(IntegrityError, match="not the file that its manifest describes"):
        load(checkpoint=path)
    path.write_bytes(content)
    manifest_path(path).write_text("{")
    with pytest.raises(IntegrityError, match="is not valid JSON"):
        load(checkpoint=path)
