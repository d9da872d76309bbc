"""What is in the wheel: the package with its page, the recipes and the weights, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = "ran_deploy/serving/static"
"""What a browser gets; the server reads it from the package."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    sources = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "ran_deploy").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assets = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / PAGE).iterdir()}
    models = {
        f"ran_deploy/_models/{path.relative_to(REPOSITORY / 'models').as_posix()}"
        for path in (REPOSITORY / "models").rglob("*")
        if path.is_file()
    }
    assert set(names) == {*sources, *assets, *models, "ran_deploy/py.typed"}
    assert len(names) == len(set(names))


def test_an_installed_wheel_finds_its_recipes_and_weights(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import ran_deploy, ran_deploy.resources as r; print(ran_deploy.__file__);"
        "print(r.shipped_weights('att92', 'cifar10')); print(r.shipped_calibration('att92', 'cifar10'));"
        "print((r.models_folder() / 'default.toml').is_file())"
    )
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    location, weights, calibration, recipe = done.stdout.split()
    assert location.startswith(str(tmp_path / "site"))
    assert weights.endswith("_models/weights/att92_cifar10.safetensors")
    assert calibration.endswith("_models/weights/att92_cifar10.calibration.json")
    assert recipe == "True"
