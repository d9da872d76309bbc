"""How fast a network trains and runs on this machine: a few real steps of the real training."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ran_deploy.experiments.budget import Speed
from ran_deploy.experiments.definitions import Contender, Experiment
from ran_deploy.experiments.setting import Data
from ran_deploy.experiments.trained import train_contender
from ran_deploy.runtime.batching import run_images
from ran_deploy.runtime.open import open_engine

_STEPS = 3
_TEST_BATCH = 64


def measure_speed(experiment: Experiment, contender: Contender, data: Data) -> Speed:
    """Train a network for a few steps in a temporary folder, and run it on a batch of test images.

    The first step, which is slower than the others, counts: the speed is rather too low than too high.

    Args:
        experiment: Gives the dataset and the recipe.
        contender: The network.
        data: The images.
    """
    test, recipe = data.test, replace(experiment.recipe, epochs=1, validation=0)
    with tempfile.TemporaryDirectory() as folder:
        result = train_contender(
            contender,
            dataset=experiment.dataset,
            data=data,
            recipe=recipe,
            images=_STEPS * recipe.batch,
            out=Path(folder),
        )
        with open_engine(result.checkpoint) as session:
            shown = test.batch(np.arange(min(_TEST_BATCH, len(test)), dtype=np.int64))
            run_images(session, shown[:2])  # the first run makes what the others use
            started_s = time.perf_counter()
            run_images(session, shown)
            test_s = (time.perf_counter() - started_s) / len(shown)
    return Speed(train_s=1 / result.last.images_per_s, test_s=test_s)
