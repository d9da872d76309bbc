"""The list of networks as a person reads it."""

import pytest

from ran_deploy.arch.registry import arch_entries
from ran_deploy.cli.app import run


def test_networks_stand_under_their_datasets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [entry for entry in arch_entries() if entry.name in ("att56", "naive-cnn", "attn-none-extra")]
    monkeypatch.setattr("ran_deploy.arch.count.arch_entries", lambda: chosen)  # all of them take seconds to build
    assert run(["archs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines[1:] if line and not line.startswith(" ")]
    assert headings == [
        "cifar10: 32×32 pixels, 10 classes",
        "imagenet: 224×224 pixels, 1,000 classes",
        "tiny-imagenet: 64×64 pixels, 200 classes",
    ]
    first = lines[lines.index(headings[0]) + 1]
    assert first.split()[:6] == ["att56", "1,030,362", "122.8M", "56", "shipped", "Attention-56"]
    assert max(map(len, lines)) <= 100
    assert len({line.index("(") for line in lines if "Attention-56" in line}) == 1, "the columns stand in line"
