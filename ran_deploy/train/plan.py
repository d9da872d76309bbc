"""How a run is to be trained: the recipe given or found, what overrides it, and what it asks of the data."""

from dataclasses import replace
from pathlib import Path

from ran_deploy.config import read_toml
from ran_deploy.data.catalog import DatasetInfo
from ran_deploy.errors import UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Parent
from ran_deploy.resources import models_folder
from ran_deploy.train.recipe import Recipe


def find_recipe(arch: str, dataset: str) -> Path:
    """Return the shipped recipe for a network on a dataset, else for the dataset, else the default one."""
    for name in (f"{arch}_{dataset}", dataset):
        own = models_folder() / f"{name}.toml"
        if own.is_file():
            return own
    return models_folder() / "default.toml"


def make_plan(
    recipe: Path | Recipe,
    info: DatasetInfo,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    label_noise: float | None = None,
) -> tuple[Recipe, tuple[Parent, ...]]:
    """Return the recipe with what overrides it, and the file that it is from, if it is from one.

    Args:
        recipe: A recipe file, the name of one in ``models/`` such as "paper_cifar", or the recipe itself.
        info: The dataset to train on.
        epochs: Overrides the recipe's number of epochs.
        seed: Overrides the recipe's seed.
        label_noise: Overrides the recipe's label noise.

    Raises:
        UsageError: The file is missing or wrong, or the recipe asks for what the dataset has not.
    """
    parents: tuple[Parent, ...] = ()
    if isinstance(recipe, Path):
        recipe = _shipped(recipe)
        parents = (Parent(role="recipe", name=recipe.name, sha256=sha256_file(recipe)),)
        recipe = read_toml(Recipe, recipe)
    plan = replace(
        recipe,
        epochs=recipe.epochs if epochs is None else epochs,
        seed=recipe.seed if seed is None else seed,
        label_noise=recipe.label_noise if label_noise is None else label_noise,
    )
    _check_sizes(plan, info)
    return plan, parents


def _shipped(recipe: Path) -> Path:
    """Return the recipe of that name in ``models/``, where a bare name is given that is no file here."""
    shipped = models_folder() / f"{recipe.name}.toml"
    bare = not recipe.exists() and recipe == Path(recipe.name)
    return shipped if bare and shipped.is_file() else recipe


def _check_sizes(recipe: Recipe, info: DatasetInfo) -> None:
    for _, pixels in recipe.sizes:
        if not 8 <= pixels <= info.size:
            raise UsageError(
                f"The recipe trains at {pixels} pixels; {info.name} allows 8 to {info.size}.",
                fix="Correct sizes in the recipe.",
            )
