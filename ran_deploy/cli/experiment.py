"""``ran-deploy experiment``: a published comparison of networks, trained under one budget."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ran_deploy.cli.output import JsonFlag, emit, note, table
from ran_deploy.optional import require

if TYPE_CHECKING:
    from ran_deploy.experiments.plan import Plan

EPILOG = """Examples:

ran-deploy experiment columbia --data DIR --out runs/columbia --budget 20m

ran-deploy experiment stanford --data DIR --out runs/stanford --images 10000 --epochs 10 --seeds 3
"""


def experiment_command(
    name: Annotated[str, typer.Argument(help="columbia, stanford, attention-type, arl-vs-nal, noise or mask.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the plan, the runs, the tables and the curves.", show_default="runs/NAME"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for all of it here; decides images and epochs.", show_default="20m"),
    ] = None,
    images: Annotated[int | None, typer.Option(help="Training images, by hand.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, by hand.")] = None,
    seeds: Annotated[int, typer.Option(help="How often each network is trained.")] = 1,
    test_images: Annotated[int | None, typer.Option(help="Test images, by hand.")] = None,
    classes: Annotated[int | None, typer.Option(help="Only so many of the dataset's classes.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train the networks of a published comparison under one budget; the same command goes on where it stopped."""
    require("torch", "ran-deploy experiment")
    from ran_deploy.experiments.run import run_experiment
    from ran_deploy.experiments.table import NETWORKS, ORDERINGS, SCHEMA, network_rows, ordering_rows, summary
    from ran_deploy.train.allocator import keep_freed_memory

    keep_freed_memory()
    folder = Path("runs", name) if out is None else out
    result = run_experiment(
        name,
        data=data,
        out=folder,
        budget=budget,
        images=images,
        epochs=epochs,
        seeds=seeds,
        test_images=test_images,
        classes=classes,
        announce=_announce,
    )
    lines = [
        result.title,
        "",
        *table(NETWORKS, network_rows(result)),
        "",
        *table(ORDERINGS, ordering_rows(result)),
        "",
        summary(result),
        f"Published: {result.source}. {result.budgets}",
        result.uncertainty,
        f"table     {folder / 'table.md'}",
        f"curves    {folder / 'curves.png'}",
    ]
    emit(result, SCHEMA, as_json=as_json, lines=lines)


def _announce(plan: "Plan") -> None:
    from ran_deploy.experiments.table import plan_lines

    for line in plan_lines(plan):
        note(line)
