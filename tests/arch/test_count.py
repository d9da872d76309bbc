"""Parameters and multiply-adds equal the published files exactly."""

import pytest

from ran_deploy.arch.count import list_archs, summarize

PUBLISHED = {
    ("att56", "imagenet"): (31_810_728, 6_270_836_736, 56),
    ("att92", "imagenet"): (52_466_344, 10_533_789_696, 92),
    ("att56", "cifar10"): (1_030_362, 122_825_216, 56),
    ("att92", "cifar10"): (1_841_242, 211_913_216, 92),
    ("att128", "cifar10"): (2_652_122, 301_001_216, 128),
    ("att164", "cifar10"): (3_463_002, 390_089_216, 164),
    ("att236", "cifar10"): (5_084_762, 568_265_216, 236),
    ("att452", "cifar10"): (8_745_818, 936_757_760, 452),
    ("attnext56", "imagenet"): (31_318_824, 6_419_106_816, 56),
    ("attnext92", "imagenet"): (52_102_952, 10_704_337_920, 92),
    ("attincept56", "imagenet"): (32_127_192, 6_302_541_696, 56),
    ("naive-cnn", "cifar10"): (1_250_858, 20_741_120, 6),
    ("resnet152", "cifar10"): (58_164_298, 234_950_656, 152),
    ("resnet152", "imagenet"): (60_192_808, 11_513_626_624, 152),
    ("resnet164", "cifar10"): (1_703_258, 247_646_720, 164),
    ("attn-none", "tiny-imagenet"): (983_416, 1_173_956_608, 16),
    ("attn-none-extra", "tiny-imagenet"): (1_186_168, 1_174_158_848, 17),
    ("attn-simple", "tiny-imagenet"): (1_131_640, 1_268_328_448, 16),
    ("attn-reduction", "tiny-imagenet"): (3_299_192, 1_499_346_944, 18),
}


@pytest.mark.parametrize(("arch", "dataset"), PUBLISHED)
def test_counts(arch: str, dataset: str) -> None:
    summary = summarize(arch, dataset)
    assert (summary.params, summary.macs, summary.trunk_depth) == PUBLISHED[arch, dataset]


def test_hundred_classes() -> None:
    assert summarize("att92", "cifar100").params == 1_841_242 + 90 * 257


def test_the_list_has_every_network_once() -> None:
    rows = list_archs()
    assert sorted((row.name, row.dataset) for row in rows) == sorted(PUBLISHED)
    assert {(row.classes, row.input_size) for row in rows} <= {(10, 32), (200, 64), (1000, 224)}
