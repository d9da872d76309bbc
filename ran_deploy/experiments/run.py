"""``run_experiment``: trains the networks of a published comparison under one budget and judges its orderings."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.experiments.assemble import assemble
from ran_deploy.experiments.definitions import find_experiment
from ran_deploy.experiments.plan import Asked, Plan, kept_plan, write_plan
from ran_deploy.experiments.planning import make_plan
from ran_deploy.experiments.plot import plot_curves
from ran_deploy.experiments.result import ExperimentResult
from ran_deploy.experiments.setting import Setting, open_data
from ran_deploy.experiments.table import write_tables
from ran_deploy.experiments.trained import Trained, finish
from ran_deploy.files import require_writable
from ran_deploy.optional import require

DEFAULT_BUDGET = "20m"


def run_experiment(
    name: str,
    *,
    data: Path | None,
    out: Path,
    budget: str | None = None,
    images: int | None = None,
    epochs: int | None = None,
    seeds: int = 1,
    test_images: int | None = None,
    classes: int | None = None,
    announce: Callable[[Plan], None] | None = None,
) -> ExperimentResult:
    """Train the compared networks under one budget, and write the table and the curves beside the published figures.

    Every network sees the same images the same number of times. The plan is fixed in ``plan.json`` before anything is
    trained; stopped at any point, the same call goes on. ``out`` then holds ``results.json``, ``table.md``,
    ``curves.png`` and ``curves.svg``, and ``runs/`` with each network's checkpoint, metrics and predictions.

    Args:
        name: One of :data:`ran_deploy.experiments.definitions.EXPERIMENTS`.
        data: The dataset's folder.
        out: The experiment's folder.
        budget: Wall-clock time for all of it on this machine, such as "20m": speeds are measured, then as many images
            and epochs are taken as fit. None: 20 minutes, unless images and epochs are given.
        images: Training images, by hand.
        epochs: Epochs, by hand.
        seeds: How often each network is trained, with the seeds 0, 1, …
        test_images: How many of the test images to test on, the same number of each class, by hand.
        classes: Only so many of the dataset's classes, drawn with a fixed seed: where the budget is too small to learn
            them all. None: all.
        announce: Told the plan before anything is trained.

    Raises:
        UsageError: An unknown experiment, missing data, a folder with another plan, or a budget that is too short.
        IntegrityError: A file in the folder was edited or is damaged, or images are.
        GateError: A training diverged.
        MissingError: matplotlib is not installed.
    """
    experiment = find_experiment(name)
    by_hand = images is not None and epochs is not None
    if by_hand and budget is not None:
        raise UsageError("--images and --epochs leave nothing for --budget to decide.", fix="Leave one of them out.")
    asked = Asked(
        experiment=name,
        budget=budget or (None if by_hand else DEFAULT_BUDGET),
        images=images,
        epochs=epochs,
        seeds=seeds,
        test_images=test_images,
        classes=classes,
    )
    require("matplotlib", "The plot of an experiment")
    opened = open_data(experiment, data, classes)
    plan = kept_plan(out, asked, experiment, opened.sha256)
    require_writable(out / "plan.json")
    if plan is None:
        plan = make_plan(experiment, asked, opened)
        write_plan(out, plan)
    if announce:
        announce(plan)
    setting = Setting(experiment=experiment, plan=plan, data=opened, out=out)
    trained: dict[str, list[Trained]] = {contender.name: [] for contender in experiment.contenders}
    turns = list(itertools.product(range(seeds), experiment.contenders))
    for number, (seed, contender) in enumerate(turns, start=1):
        sys.stderr.write(f"{number} of {len(turns)}: {contender.label}, seed {seed}\n")
        trained[contender.name].append(finish(setting, contender, seed))
    result = assemble(setting, trained)
    write_tables(result, out)
    plot_curves(result, out)
    return result
