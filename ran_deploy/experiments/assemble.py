"""From trained and tested networks to an experiment's result."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ran_deploy.bench.environment import read_environment
from ran_deploy.data.catalog import dataset_info
from ran_deploy.experiments.definitions import Contender, Experiment
from ran_deploy.experiments.plan import Plan
from ran_deploy.experiments.result import ExperimentResult, NetworkResult, OrderingResult, SeedResult
from ran_deploy.experiments.setting import Setting
from ran_deploy.experiments.student import mean_interval
from ran_deploy.experiments.trained import Trained
from ran_deploy.experiments.verdicts import difference, holm, judge
from ran_deploy.report.words import counted


def assemble(setting: Setting, trained: Mapping[str, Sequence[Trained]]) -> ExperimentResult:
    """Put an experiment's result together.

    Args:
        setting: The experiment, its plan and its images.
        trained: For each network its results, in the order of the seeds.
    """
    experiment, plan = setting.experiment, setting.plan
    targets = setting.data.test.targets[setting.test_indices()]
    return ExperimentResult(
        experiment=experiment.name,
        title=experiment.title,
        dataset=experiment.dataset,
        source=experiment.source,
        budgets=_budgets(experiment, plan),
        uncertainty=_uncertainty(plan),
        plan=plan,
        networks=tuple(_network(setting, contender, trained[contender.name]) for contender in experiment.contenders),
        orderings=_orderings(experiment, trained, targets),
        train_s=round(sum(one.train_s for runs in trained.values() for one in runs), 1),
        environment=read_environment(),
    )


def _network(setting: Setting, contender: Contender, runs: Sequence[Trained]) -> NetworkResult:
    if len(runs) == 1:
        top1, interval = runs[0].top1, runs[0].top1_ci95
    else:
        mean = mean_interval([run.top1 for run in runs])
        top1, interval = mean.value, mean.ci95
    return NetworkResult(
        name=contender.name,
        label=contender.label,
        arch=contender.arch,
        options=dict(contender.options),
        recipe=dict(contender.recipe),
        params=_parameters(setting.experiment, contender, setting.data.classes),
        published=contender.published,
        top1=top1,
        top1_ci95=interval,
        seeds=tuple(
            SeedResult(
                seed=run.seed,
                top1=run.top1,
                top1_ci95=run.top1_ci95,
                top5=run.top5,
                train_s=run.train_s,
                checkpoint=run.checkpoint,
                checkpoint_sha256=run.checkpoint_sha256,
                curve=run.curve,
            )
            for run in runs
        ),
    )


def _orderings(
    experiment: Experiment, trained: Mapping[str, Sequence[Trained]], targets: npt.NDArray[np.int64]
) -> tuple[OrderingResult, ...]:
    predicted = {name: [np.asarray(run.predicted) for run in runs] for name, runs in trained.items()}
    pairs = experiment.orderings
    found = [difference(predicted[better.name], predicted[worse.name], targets) for better, worse in pairs]
    adjusted = holm([each.p for each in found])
    return tuple(
        OrderingResult(
            better=better.label,
            worse=worse.label,
            published_points=round(better.published - worse.published, 2),
            points=each.points,
            ci95=each.ci95,
            p=each.p,
            p_adjusted=p,
            verdict=judge(each, p),
        )
        for (better, worse), each, p in zip(pairs, found, adjusted, strict=True)
    )


def _budgets(experiment: Experiment, plan: Plan) -> str:
    work, classes = plan.work, plan.asked.classes
    of_classes, caution = "", ""
    if classes:
        of_classes, whole = f" of {classes} classes", dataset_info(experiment.dataset).classes
        caution = f" The published accuracies are for all {whole} classes, so that only the orderings can be compared."
    return (
        f"The budgets differ: published are {experiment.setting}; here every network saw the same {work.images:,} "
        f"training images{of_classes} in {counted(work.epochs, 'epoch')} on {plan.machine}.{caution}"
    )


def _uncertainty(plan: Plan) -> str:
    images, seeds = plan.work.test_images, plan.asked.seeds
    if seeds == 1:
        return (
            f"The 95% intervals are over the {images:,} test images and one seed: they tell how sure the difference of "
            "these trained weights is, not how another seed would come out."
        )
    return (
        f"The 95% intervals are Student's over {seeds} seeds, each tested on the same {images:,} images, and take the "
        "accuracies of the seeds as normally distributed."
    )


def _parameters(experiment: Experiment, contender: Contender, classes: int | None) -> int:
    import torch

    from ran_deploy.arch.count import count_parameters
    from ran_deploy.arch.registry import create_model

    with torch.device("meta"):
        return count_parameters(create_model(contender.arch, experiment.dataset, classes, **contender.options))
