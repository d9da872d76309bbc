"""Making an experiment's plan: by hand, or from speeds that are measured on this machine."""

import sys
import time
from collections.abc import Callable

from ran_deploy.bench.environment import read_environment
from ran_deploy.experiments.budget import (
    Sizes,
    Speed,
    Work,
    check_images,
    choose_work,
    expected_s,
    held_out,
    parse_budget,
)
from ran_deploy.experiments.definitions import Contender, Experiment
from ran_deploy.experiments.plan import Asked, Plan, recipe_of
from ran_deploy.experiments.probe import measure_speed
from ran_deploy.experiments.setting import Data

Measure = Callable[[Experiment, Contender, Data], Speed]


def make_plan(
    experiment: Experiment,
    asked: Asked,
    data: Data,
    *,
    measure: Measure = measure_speed,
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """Decide how much every network is trained and tested.

    Args:
        experiment: What is compared.
        asked: What the command was given.
        data: The images.
        measure: Measures one network's speed; the time that it takes is the budget's too.
        clock: Seconds since any moment.

    Raises:
        UsageError: The budget is too short, or not a time; or there are not so many images.
    """
    sizes = Sizes(
        train=len(data.train), test=len(data.test), classes=len(data.test.labels), batch=experiment.recipe.batch
    )
    if asked.images is not None:
        check_images(asked.images, sizes)
    speeds: dict[str, Speed] = {}
    if asked.budget is None:
        assert asked.images is not None  # noqa: S101  # run_experiment sees to it
        assert asked.epochs is not None  # noqa: S101
        work = Work(
            images=asked.images,
            validation=held_out(asked.images, sizes.classes),
            epochs=asked.epochs,
            test_images=min(asked.test_images or sizes.test, sizes.test),
        )
    else:
        budget_s, started_s = parse_budget(asked.budget), clock()
        for contender in experiment.contenders:
            speeds[contender.name] = speed = measure(experiment, contender, data)
            sys.stderr.write(f"measured {contender.label}: {1 / speed.train_s:.1f} training images/s here\n")
        work = choose_work(
            budget_s - (clock() - started_s),
            tuple(speeds.values()),
            sizes,
            seeds=asked.seeds,
            images=asked.images,
            epochs=asked.epochs,
            test_images=None if asked.test_images is None else min(asked.test_images, sizes.test),
        )
    return Plan(
        asked=asked,
        work=work,
        recipe=recipe_of(experiment, work),
        data_sha256=data.sha256,
        machine=_machine(),
        speeds=speeds,
        expected_s=round(expected_s(work, tuple(speeds.values()), asked.seeds), 1) if speeds else None,
    ).sealed()


def _machine() -> str:
    import torch

    environment, threads = read_environment(), torch.get_num_threads()
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{threads} thread{'s' if threads > 1 else ''} of a CPU ({environment.cpu})"
