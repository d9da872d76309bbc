"""An experiment's result as tables: the rows, and the files ``results.json`` and ``table.md``."""

from pathlib import Path

from ran_deploy.config import to_mapping
from ran_deploy.experiments.plan import Plan
from ran_deploy.experiments.result import ExperimentResult
from ran_deploy.files import write_text
from ran_deploy.json_files import write_json
from ran_deploy.progress import duration
from ran_deploy.report.words import counted
from ran_deploy.train.recipe import Recipe

SCHEMA = "experiment/v1"

NETWORKS = ("network", "parameters", "published", "here", "95% interval", "training time")
ORDERINGS = ("published ordering", "by points", "here", "95% interval", "p (Holm)", "verdict")


def network_rows(result: ExperimentResult) -> list[tuple[str, ...]]:
    """Return a row for each network, in the order of :data:`NETWORKS`; best here first."""
    return [
        (
            network.label,
            f"{network.params:,}",
            f"{network.published:.2f}%",
            f"{network.top1:.2f}%",
            f"{network.top1_ci95[0]:.2f} to {network.top1_ci95[1]:.2f}",
            duration(sum(run.train_s for run in network.seeds)),
        )
        for network in sorted(result.networks, key=lambda network: -network.top1)
    ]


def ordering_rows(result: ExperimentResult) -> list[tuple[str, ...]]:
    """Return a row for each published ordering, in the order of :data:`ORDERINGS`."""
    return [
        (
            f"{ordering.better} above {ordering.worse}",
            f"{ordering.published_points:+.2f}",
            f"{ordering.points:+.2f}",
            f"{ordering.ci95[0]:+.2f} to {ordering.ci95[1]:+.2f}",
            "< 0.001" if ordering.p_adjusted < 0.001 else f"{ordering.p_adjusted:.3f}",
            ordering.verdict,
        )
        for ordering in result.orderings
    ]


def summary(result: ExperimentResult) -> str:
    """Return one sentence on how many of the published orderings held, claiming no more than the seeds allow."""
    counts = {
        verdict: sum(ordering.verdict == verdict for ordering in result.orderings)
        for verdict in ("held", "did not hold", "undecided")
    }
    scope = ", between the trained weights of one seed" if result.plan.asked.seeds == 1 else ""
    undecided = f"{counts['undecided']} {'is' if counts['undecided'] == 1 else 'are'} undecided"
    return (
        f"Of {counted(len(result.orderings), 'published ordering')} {counts['held']} held, "
        f"{counts['did not hold']} did not hold, and {undecided} at this budget{scope}."
    )


def plan_lines(plan: Plan) -> list[str]:
    """Return a plan in words, to be read before anything is trained."""
    work, asked = plan.work, plan.asked
    epochs, seeds = counted(work.epochs, "epoch"), counted(asked.seeds, "seed")
    lines = [
        f"plan      every network: {work.images:,} training images of {asked.classes or 'all'} classes × {epochs}, "
        f"{seeds}; {work.validation:,} more images held out for the curves",
        f"test      {work.test_images:,} images of the test split, the same number of each class",
        f"recipe    {recipe_text(plan.recipe)}",
        f"machine   {plan.machine}",
    ]
    if plan.expected_s is not None:
        lines.append(f"expected  {duration(plan.expected_s)} of the budget of {asked.budget}")
    return lines


def recipe_text(recipe: Recipe) -> str:
    """Return what a reader must know of a recipe, in one line."""
    rate = {
        "cosine": "half a cosine to zero",
        "step": f"times {recipe.gamma:g} at {', '.join(f'{at:.0%}' for at in recipe.milestones)} of the steps",
        "exponential": f"times {recipe.gamma:g} every {recipe.decay_steps:,} steps",
    }[recipe.schedule]
    optimizer = {"sgd": "Nesterov SGD", "adam": "Adam"}[recipe.optimizer]
    changes = [f"pad-{recipe.crop_padding} crop"] * bool(recipe.crop_padding) + ["flip"] * recipe.flip
    return (
        f"{optimizer}, batch {recipe.batch}, learning rate {recipe.lr:g}, {rate}; weight decay "
        f"{recipe.weight_decay:g}; {' and '.join(changes) or 'no augmentation'}"
    )


def markdown(result: ExperimentResult) -> str:
    """Return the tables as Markdown."""
    work = result.plan.work
    parts = [
        f"# {result.title}",
        f"Published: {result.source}. {result.budgets}",
        f"Accuracy is measured on {work.test_images:,} images of the test split of {result.dataset}, equally many of "
        f"each class. Recipe: {recipe_text(result.plan.recipe)}.",
        _markdown_table(NETWORKS, network_rows(result)),
        summary(result),
        _markdown_table(ORDERINGS, ordering_rows(result)),
        f"{result.uncertainty} A verdict other than undecided needs p < 0.05 after Holm's adjustment for all "
        f"{len(result.orderings)} orderings.",
        "![Loss, accuracy and test accuracy of each network](curves.png)",
    ]
    return "\n\n".join(parts) + "\n"


def write_tables(result: ExperimentResult, out: Path) -> None:
    """Write ``results.json`` and ``table.md`` into a folder."""
    write_json(out / "results.json", {"schema": f"ran-deploy.{SCHEMA}", **to_mapping(result)})
    write_text(out / "table.md", markdown(result))


def _markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    ruler = ["---" if place == 0 or name == "verdict" else "---:" for place, name in enumerate(header)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ruler, *rows))
