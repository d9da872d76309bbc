"""``plan.json``: what an experiment was asked for and what was chosen, fixed before anything is trained."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.experiments.budget import Speed, Work
from ran_deploy.experiments.definitions import Experiment
from ran_deploy.json_files import json_digest, read_json, write_json
from ran_deploy.runtime.batching import check_positive
from ran_deploy.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command was given; a folder goes on only with the same."""

    experiment: str
    budget: str | None
    """Such as "20m"; None: images and epochs were given by hand."""
    images: int | None = None
    epochs: int | None = None
    seeds: int = 1
    test_images: int | None = None
    classes: int | None = None
    """Of the dataset's classes; None: all."""

    def __post_init__(self) -> None:
        """Refuse numbers that name no work."""
        for name in ("images", "epochs", "seeds", "test_images", "classes"):
            check_positive(f"--{name.replace('_', '-')}", getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much every network is trained and tested, decided once."""

    asked: Asked
    work: Work
    recipe: Recipe
    """What every network is trained with; a seed replaces its seed."""
    data_sha256: str
    """Digest of both splits' targets: the images are those of the same data set."""
    machine: str
    """Where the speeds were measured, in words."""
    speeds: dict[str, Speed]
    """As measured, by network; empty where the work was given by hand."""
    expected_s: float | None
    """How long it takes at these speeds, in seconds; None where they were not measured."""
    sha256: str = ""
    """Digest of all else in the plan."""
    schema: Literal["ran-deploy.experiment-plan/v1"] = "ran-deploy.experiment-plan/v1"

    def sealed(self) -> "Plan":
        """Return the plan with its digest."""
        return replace(self, sha256=json_digest(replace(self, sha256="")))


def plan_path(out: Path) -> Path:
    """Return where a folder's plan is."""
    return out / "plan.json"


def kept_plan(out: Path, asked: Asked, experiment: Experiment, data_sha256: str) -> Plan | None:
    """Return the plan that a folder already has; None if it has none.

    Raises:
        UsageError: It is the plan for something else, or the folder holds other files.
        IntegrityError: It was edited, or is damaged.
    """
    path = plan_path(out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; expected a folder.", fix="Choose another one with --out.")
    if not path.exists():
        # Hidden files may be the temporary ones of a run that was killed.
        if out.exists() and any(not each.name.startswith(".") for each in out.iterdir()):
            raise UsageError(
                f"{out} holds other files and no plan.json.", fix="Choose a new or empty folder with --out."
            )
        return None
    plan = read_json(Plan, path)
    if plan.sealed() != plan:
        raise IntegrityError(
            f"{path} was edited: its digest is not that of its content.",
            fix="Restore it, or start again in another folder.",
        )
    _same(path, asdict(plan.asked), asdict(asked))
    if plan.recipe != recipe_of(experiment, plan.work):
        raise UsageError(
            f"{path} is a plan with another recipe than this version has for {experiment.name}.",
            fix="Start again in another folder.",
        )
    if plan.data_sha256 != data_sha256:
        raise UsageError(f"{path} is a plan for other data.", fix="Give the same --data, or start in another folder.")
    return plan


def recipe_of(experiment: Experiment, work: Work) -> Recipe:
    """Return the recipe that every network of an experiment is trained with."""
    return replace(experiment.recipe, epochs=work.epochs, validation=work.validation, seed=0)


def write_plan(out: Path, plan: Plan) -> None:
    """Write a plan into a folder."""
    write_json(plan_path(out), plan)


def _same(path: Path, kept: dict[str, object], asked: dict[str, object]) -> None:
    for name, value in kept.items():
        if value != asked[name]:
            option = name if name == "experiment" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{path} is the plan of a run with {option} {_word(value)}; now it is {_word(asked[name])}.",
                fix="Give the same options to go on with it, or another folder with --out.",
            )


def _word(value: object) -> str:
    return "not given" if value is None else str(value)
