"""What is in the wheel: the package with its page, the recipes and the weights, and nothing else."""

import hashlib
import json
import os
import shutil
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
    return build(REPOSITORY, tmp_path_factory.mktemp("wheel"))


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
    profiles = {f"ran_deploy/_export/{path.name}" for path in (REPOSITORY / "export").iterdir()}
    assert set(names) == {*sources, *assets, *models, *profiles, "ran_deploy/py.typed"}
    assert len(names) == len(set(names))


def build(root: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


def test_two_builds_in_two_places_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for part in ("ran_deploy", "models", "export"):
        shutil.copytree(REPOSITORY / part, first / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("README.md", "LICENSE", "pyproject.toml", "hatch_build.py", ".gitignore"):
        shutil.copyfile(REPOSITORY / part, first / part)
    shutil.copytree(first, second)
    for path in second.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1e9, 1e9))
    digests = {
        hashlib.sha256(build(root, root.with_suffix(".out")).read_bytes()).hexdigest() for root in (first, second)
    }
    assert len(digests) == 1


def test_the_wheel_carries_a_bill_of_materials(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if "/sboms/" in name]
        bill = json.loads(archive.read(name))
        weights = hashlib.sha256(archive.read("ran_deploy/_models/weights/att92_cifar10.safetensors")).hexdigest()
    kinds = {part["name"]: part for part in bill["components"]}
    assert {"numpy", "onnx", "pillow", "safetensors", "typer"} <= set(kinds)
    assert kinds["numpy"]["properties"][0]["value"].startswith(">=")
    assert kinds["att92_cifar10.safetensors"]["hashes"] == [{"alg": "SHA-256", "content": weights}]


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
