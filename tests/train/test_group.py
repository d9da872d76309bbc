"""Two real processes that train together: the same result as one, and an end for both when one is gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ran_deploy.errors import UsageError
from ran_deploy.train.device import check_device, use_compile
from ran_deploy.train.group import Group
from ran_deploy.train.recipe import Recipe
from tests.train.shared_batch import RECIPE
from tests.train.small import train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """What two processes did with ``shared_batch``: their folder, and how they ended."""
    folder = tmp_path_factory.mktemp("together")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.shared_batch", str(folder)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    ended = [(process, *process.communicate()) for process in started]
    return folder, [subprocess.CompletedProcess(process.args, process.returncode, *said) for process, *said in ended]


def metrics(folder: Path) -> list[list[float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [[line[key] for key in ("step", "train_loss", "train_top1", "val_top1")] for line in lines]


def test_two_processes_train_what_one_does(
    together: tuple[Path, list[subprocess.CompletedProcess[str]]], tmp_path: Path
) -> None:
    folder, _ = together
    train(tmp_path, RECIPE)
    one, two = (load_file(path / "state.safetensors") for path in (tmp_path, folder / "whole0"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], rtol=0, atol=1e-5), name
    assert not torch.allclose(one["model.layers.0.weight"], one["average.layers.0.weight"], rtol=0, atol=1e-4)
    for alone, shared in zip(metrics(tmp_path), metrics(folder / "whole0"), strict=True):
        assert shared == pytest.approx(alone, abs=1e-5)


def test_two_processes_resume_to_the_same_bytes_and_only_the_first_one_writes(
    together: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    folder, _ = together
    whole, parts = (load_file(folder / name / "state.safetensors") for name in ("whole0", "parts0"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert metrics(folder / "parts0") == metrics(folder / "whole0")
    assert not list((folder / "whole1").iterdir())
    assert not list((folder / "parts1").iterdir())


def test_processes_with_other_settings_are_refused_and_one_that_is_gone_ends_the_other(
    together: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    left, gone = together[1]
    for process in (left, gone):
        assert process.stdout.startswith("Process 1 of 2 trains with other settings")
        assert "Warning" not in process.stderr
    assert gone.returncode == 9
    assert left.returncode == 1
    assert "RanDeployError: Another process of this training ended" in left.stderr


def test_what_a_group_cannot_do_is_refused() -> None:
    cpu, pair = torch.device("cpu"), Group(size=2)
    with pytest.raises(UsageError, match="batch of 18 cannot be cut evenly into 3 parts for 4 processes"):
        check_device(Recipe(batch=18, accumulate=3), cpu, Group(size=4))
    check_device(Recipe(batch=18, accumulate=3), cpu, Group(size=3))
    with pytest.raises(UsageError, match="compile the network"):
        check_device(Recipe(compile="on"), cpu, pair)
    assert use_compile(Recipe(compile="on"), cpu, Group())
    with pytest.raises(UsageError, match="precision 'fp16'"):
        check_device(Recipe(precision="fp16"), cpu, Group())
