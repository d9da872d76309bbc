"""The cards of the shipped weights: each is whole, about the file beside it, and shows pictures that exist."""

import json
import re
from pathlib import Path

import pytest

from ran_deploy.manifest import read_manifest

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))
SECTIONS = ("Data", "Recipe", "Hardware and time", "Code", "Confidence", "Classes", "Images made worse", "Not fit for")


def card(weights: Path) -> str:
    return weights.with_suffix(".md").read_text()


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_a_card_says_all_that_a_user_must_know(weights: Path) -> None:
    text = card(weights)
    assert [section for section in SECTIONS if f"**{section}.**" not in text] == []
    assert re.search(r"calibration error \*\*\d+\.\d\d points\*\*", text.replace("\n", " "))


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_a_card_is_about_the_file_beside_it(weights: Path) -> None:
    manifest = read_manifest(weights)
    assert manifest is not None
    assert f"`{manifest.sha256[:16]}…`" in card(weights)


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_the_pictures_exist(weights: Path) -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", card(weights))
    assert len(pictures) == 2
    assert all((WEIGHTS / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_the_confusion_matrix_and_the_accuracy_agree(weights: Path) -> None:
    manifest = read_manifest(weights)
    assert manifest is not None
    labels = manifest.contract.labels
    text = card(weights)
    header = f"|  | {' | '.join(labels)} |\n"
    assert text.count(header) == 1
    lines = text.partition(header)[2].splitlines()[1 : 1 + len(labels)]
    rows = [[int(cell) for cell in line.strip("| ").split(" | ")[1:]] for line in lines]
    assert sum(map(sum, rows)) == 10_000
    hits = sum(row[place] for place, row in enumerate(rows))
    assert f"| test top-1 | **{hits / 100:.2f}%**" in text


def test_the_calibration_that_ships_is_of_the_weights_that_ship() -> None:
    document = json.loads((WEIGHTS / "att92_cifar10.calibration.json").read_text())
    manifest = read_manifest(WEIGHTS / "att92_cifar10.safetensors")
    assert manifest is not None
    assert manifest.sha256 in json.dumps(document)
