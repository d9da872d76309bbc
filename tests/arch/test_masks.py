"""Names, shapes and values of the soft masks, and that looking at them changes nothing."""

import pytest
import torch
from torch import nn

from ran_deploy.arch.attention import AttentionModule
from ran_deploy.arch.deployable import Deployable, DeployableWithMasks
from ran_deploy.arch.masks import mask_names, mask_specs
from ran_deploy.arch.network import Attended
from ran_deploy.arch.ran import PRE_ACTIVATION
from ran_deploy.arch.ran_options import Learning, RanOptions
from ran_deploy.arch.registry import create_model
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract


@pytest.mark.parametrize(
    ("arch", "dataset", "modules"),
    [
        ("att56", "cifar10", (1, 1, 1)),
        ("att92", "cifar10", (2, 2, 2)),
        ("att56", "imagenet", (1, 1, 1)),
        ("att92", "imagenet", (1, 2, 3)),
    ],
)
def test_names_count_stages_and_modules(arch: str, dataset: str, modules: tuple[int, ...]) -> None:
    with torch.device("meta"):
        names = mask_names(create_model(arch, dataset))
    expected = [f"mask_stage{stage}_{place + 1}" for stage, count in enumerate(modules, 1) for place in range(count)]
    assert list(names) == expected


def test_shapes_are_those_of_the_stages() -> None:
    specs = mask_specs(create_model("att92", "cifar10", width=0.125), 32)
    assert [spec.shape for spec in specs] == [(-1, side, side) for side in (32, 32, 16, 16, 8, 8)]
    assert {(spec.dtype, spec.layout) for spec in specs} == {("float32", "NHW")}
    assert mask_specs(nn.Conv2d(3, 4, 1), 32) == ()


@pytest.mark.parametrize("learning", ["residual", "naive"])
def test_what_a_module_did_is_told(learning: Learning) -> None:
    torch.manual_seed(0)
    module = AttentionModule(8, 1, RanOptions(t=1, learning=learning), PRE_ACTIVATION).eval()
    x = torch.randn(2, 8, 8, 8)
    seen: list[Attended] = []
    with torch.inference_mode():
        plain = module(x)
        watched = module(x, seen)
        (attended,) = seen
        before = module.before(x)
        assert torch.equal(watched, plain)
        assert torch.equal(attended.before, module.trunk(before))
        assert torch.equal(attended.mask, module.mask(before))
        gain = 1 + attended.mask if learning == "residual" else attended.mask
        assert torch.allclose(attended.after, gain * attended.before, atol=1e-6)
        assert torch.equal(module.after(attended.after), plain), "the features were not changed in place"


def test_logits_stay_and_masks_are_means_over_the_channels() -> None:
    torch.manual_seed(1)
    info = dataset_info("cifar10")
    network = create_model("att56", "cifar10", width=0.125).eval()
    contract = make_contract(info, info.labels)
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    seen: list[Attended] = []
    with torch.inference_mode():
        plain = Deployable(network, contract)
        logits, *masks = DeployableWithMasks(network, contract)(images)
        network(plain.normalize(images), seen)
        assert torch.equal(logits, plain(images))
    assert [tuple(mask.shape) for mask in masks] == [(3, 32, 32), (3, 16, 16), (3, 8, 8)]
    for mask, attended in zip(masks, seen, strict=True):
        assert torch.equal(mask, attended.mask.mean(dim=1))
        assert 0 < mask.min() <= mask.max() < 1
