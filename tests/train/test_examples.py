import numpy as np

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.train.examples import choose_examples
from ran_deploy.train.plan import find_recipe, make_plan
from ran_deploy.train.recipe import Recipe


def test_a_part_is_balanced_seeded_and_leaves_the_validation_images_as_they_are() -> None:
    dataset = make_synthetic("train")
    recipe = Recipe(validation=100, batch=16, seed=3)
    whole, part = choose_examples(dataset, recipe), choose_examples(dataset, recipe, 200)
    assert len(whole.train) + 100 == len(dataset)
    assert len(part.train) == 200
    assert set(np.bincount(dataset.targets[part.train])) == {20}
    assert set(np.bincount(dataset.targets[part.validation])) == {10}
    assert np.array_equal(part.validation, whole.validation)
    assert not np.intersect1d(part.train, part.validation).size
    assert np.array_equal(part.train, choose_examples(dataset, recipe, 200).train)
    other = choose_examples(dataset, Recipe(validation=100, batch=16, seed=4), 200)
    assert not np.array_equal(part.train, other.train)


def test_a_try_without_data_needs_no_recipe_of_ones_own() -> None:
    recipe, _ = make_plan(find_recipe("att56", "synthetic"), dataset_info("synthetic"))
    examples = choose_examples(make_synthetic("train"), recipe)
    assert len(examples.validation) == 400
    assert len(examples.train) >= 10 * recipe.batch
