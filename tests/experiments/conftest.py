"""A small experiment that is trained in a second: two narrow networks without attention on a few generated images."""

from collections.abc import Iterator

import pytest
import torch

from ran_deploy.experiments import definitions
from ran_deploy.experiments.definitions import Contender, Experiment
from ran_deploy.train.recipe import Recipe

SMALL = Experiment(
    name="small",
    title="A small comparison",
    dataset="synthetic",
    source="A report, figure 1",
    setting="9 epochs over all images",
    recipe=Recipe(batch=10, lr=0.05, ema=0.0, crop_padding=0, precision="fp32", compile="off"),
    contenders=(
        Contender(name="wider", label="Wider", arch="naive-cnn", published=80.0, options={"width": 0.25}),
        Contender(name="narrow", label="Narrow", arch="naive-cnn", published=70.5, options={"width": 0.125}),
    ),
)


@pytest.fixture(scope="module")
def small() -> Iterator[Experiment]:
    """The small experiment, known by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definitions, "EXPERIMENTS", (*definitions.EXPERIMENTS, SMALL))
        yield SMALL


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
