"""Parameters and multiply-adds equal the published files exactly."""

import pytest

from ran_deploy.arch.count import list_archs, summarize

PUBLISHED = {
    ("att56", "imagenet"): (31_810_728, 6_270_836_736, 56),
    ("att92", "imagenet"): (52_466_344, 10_533_789_696, 92),
    ("att56", "cifar10"): (1_030_362, 122_825_216, 56),
    ("att92", "cifar10"): (1_841_242, 211_913_216, 92),
}


@pytest.mark.parametrize(("arch", "dataset"), PUBLISHED)
def test_counts(arch: str, dataset: str) -> None:
    summary = summarize(arch, dataset)
    assert (summary.params, summary.macs, summary.trunk_depth) == PUBLISHED[arch, dataset]


def test_hundred_classes() -> None:
    assert summarize("att92", "cifar100").params == 1_841_242 + 90 * 257


def test_the_list_has_every_network_once() -> None:
    rows = [(row.name, row.dataset) for row in list_archs()]
    assert sorted(rows) == sorted(PUBLISHED)
    assert {(row.classes, row.input_size) for row in list_archs()} == {(10, 32), (1000, 224)}
