from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

RECIPE = """
epochs = 3
batch = 16
lr = 0.05
warmup_epochs = 0.5
ema = 0.9
sizes = [[0.0, 16], [0.5, 24], [0.8, 32]]
validation = 10
precision = "fp32"
seed = 5
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
