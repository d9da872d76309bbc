from pathlib import Path

import pytest

from ran_deploy.config import read_toml
from ran_deploy.errors import UsageError
from ran_deploy.resources import models_folder
from ran_deploy.train.recipe import Recipe


def test_shipped_recipes_are_valid() -> None:
    recipes = sorted(models_folder().glob("*.toml"))
    assert {"att56_cifar10.toml", "att92_cifar10.toml", "default.toml"} <= {path.name for path in recipes}
    assert {"paper_cifar.toml", "modern_cifar.toml", "imagenet.toml", "tiny-imagenet.toml"} <= {
        path.name for path in recipes
    }
    for path in recipes:
        assert read_toml(Recipe, path).epochs >= 1


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("epoch = 3", "'epoch' is not a known key", "'epochs'"),
        ("epochs = 0", "epochs is 0", ""),
        ("epochs = '3'", "expected a whole number", ""),
        ("epochs = true", "expected a whole number", ""),
        ("lr = -1", "lr is -1", ""),
        ("batch = 1", "batch is 1", ""),
        ("ema = 1", "ema is 1", ""),
        ("precision = 'fp8'", "expected one of 'auto', 'bf16', 'fp16', 'fp32'", ""),
        ("sizes = [[0.5, 16]]", "expected 0 first", ""),
        ("sizes = [[0.0, 16], [0.0, 24]]", "expected 0 first", ""),
        ("sizes = [[0.0]]", "has 1 items; expected 2", ""),
        ("epochs 3", "not valid TOML", ""),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, text: str, message: str, fix: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_toml(Recipe, path)
    assert str(path) in caught.value.message
    assert fix in caught.value.fix


def test_size_rises_with_the_training() -> None:
    recipe = Recipe(sizes=((0.0, 16), (0.5, 24)))
    assert [recipe.size_at(progress, 32) for progress in (0, 0.49, 0.5, 1)] == [16, 16, 24, 24]
    assert Recipe().size_at(0.1, 32) == 32
