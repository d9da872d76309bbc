"""What the tables and the picture of an experiment say, on a result made by hand."""

import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.bench.environment import read_environment
from ran_deploy.experiments.budget import Speed, Work
from ran_deploy.experiments.definitions import find_experiment
from ran_deploy.experiments.plan import Asked, Plan
from ran_deploy.experiments.plot import plot_curves, spread
from ran_deploy.experiments.result import ExperimentResult, NetworkResult, OrderingResult, SeedResult
from ran_deploy.experiments.table import markdown, network_rows, ordering_rows, plan_lines, recipe_text, summary
from ran_deploy.experiments.trained import EpochPoint
from tests.experiments.conftest import SMALL


def network(name: str, label: str, published: float, top1: float) -> NetworkResult:
    curve = tuple(
        EpochPoint(epoch=epoch, train_loss=2.0 / epoch, train_top1=top1 - 5, val_top1=top1 - 10 / epoch)
        for epoch in (1, 2, 3)
    )
    run = SeedResult(
        seed=0,
        top1=top1,
        top1_ci95=(top1 - 2, top1 + 2),
        top5=None,
        train_s=90.0,
        checkpoint=f"runs/{name}_seed0/x.safetensors",
        checkpoint_sha256="0" * 64,
        curve=curve,
    )
    return NetworkResult(
        name=name,
        label=label,
        arch="att56",
        options={},
        recipe={},
        params=1_030_362,
        published=published,
        top1=top1,
        top1_ci95=run.top1_ci95,
        seeds=(run,),
    )


PLAN = Plan(
    asked=Asked(experiment="small", budget="20m"),
    work=Work(images=3000, validation=300, epochs=3, test_images=1000),
    recipe=SMALL.recipe,
    data_sha256="",
    machine="1 thread of a CPU",
    speeds={"a": Speed(train_s=0.02, test_s=0.005)},
    expected_s=900.0,
)
RESULT = ExperimentResult(
    experiment="small",
    title="A small comparison",
    dataset="synthetic",
    source="A report, figure 1",
    budgets="The budgets differ.",
    uncertainty="The intervals cover the images.",
    plan=PLAN,
    networks=(network("a", "Alpha", 48.0, 40.0), network("b", "Beta", 50.5, 39.8), network("c", "Gamma", 30.0, 44.0)),
    orderings=(
        OrderingResult(
            better="Beta",
            worse="Alpha",
            published_points=2.5,
            points=-0.2,
            ci95=(-2.1, 1.7),
            p=0.9,
            p_adjusted=0.9,
            verdict="undecided",
        ),
        OrderingResult(
            better="Beta",
            worse="Gamma",
            published_points=20.5,
            points=-4.2,
            ci95=(-6.0, -2.4),
            p=1e-6,
            p_adjusted=3e-6,
            verdict="did not hold",
        ),
    ),
    train_s=270.0,
    environment=read_environment(),
)


def test_networks_are_ranked_by_what_was_found_here() -> None:
    assert [row[0] for row in network_rows(RESULT)] == ["Gamma", "Alpha", "Beta"]
    assert network_rows(RESULT)[1] == ("Alpha", "1,030,362", "48.00%", "40.00%", "38.00 to 42.00", "2 min")


def test_orderings() -> None:
    assert ordering_rows(RESULT) == [
        ("Beta above Alpha", "+2.50", "-0.20", "-2.10 to +1.70", "0.900", "undecided"),
        ("Beta above Gamma", "+20.50", "-4.20", "-6.00 to -2.40", "< 0.001", "did not hold"),
    ]
    found = "Of 2 published orderings 0 held, 1 did not hold, and 1 is undecided at this budget"
    assert summary(RESULT) == f"{found}, between the trained weights of one seed."
    three = replace(RESULT, plan=replace(PLAN, asked=replace(PLAN.asked, seeds=3)))
    assert summary(three) == f"{found}."


def test_the_markdown_says_where_the_figures_are_from_and_that_budgets_differ() -> None:
    text = markdown(RESULT)
    for part in ("# A small comparison", "A report, figure 1", "The budgets differ.", "The intervals cover", "Holm"):
        assert part in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3 + 2 + 2
    assert {row.count("|") for row in rows} == {7}


def test_the_plan_in_words() -> None:
    text = "\n".join(plan_lines(PLAN))
    for part in (
        "3,000 training images of all classes × 3 epochs",
        "1,000 images of the test split",
        "15 min of the budget of 20m",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "columbia",
            "Adam, batch 32, learning rate 0.001, half a cosine to zero; weight decay 0.0001; pad-4 crop and flip",
        ),
        (
            "stanford",
            "Adam, batch 32, learning rate 0.001, times 0.96 every 1,000 steps; weight decay 0; no augmentation",
        ),
        ("mask", "Nesterov SGD, batch 64, learning rate 0.1, times 0.1 at 40%, 60% of the steps"),
    ],
)
def test_recipes_in_words(name: str, words: str) -> None:
    assert recipe_text(find_experiment(name).recipe).startswith(words)


def test_the_picture_names_every_network_and_shows_both_figures(tmp_path: Path) -> None:
    two_seeds = replace(RESULT.networks[0], seeds=RESULT.networks[0].seeds * 2)
    plot_curves(replace(RESULT, networks=(two_seeds, *RESULT.networks[1:])), tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    ET.parse(tmp_path / "curves.svg")
    svg = (tmp_path / "curves.svg").read_text()
    for text in ("Alpha", "Beta", "Gamma", "48.0%", "40.0%", "published", "here, with 95% interval"):
        assert f"<!-- {text} -->" in svg


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    assert spread([0.0, 50.0], 10.0) == [0.0, 50.0]
    assert spread([20.0, 20.0], 10.0) == [15.0, 25.0]
    moved = spread([3.0, 0.0, 2.0, 14.0, 40.0], 10.0)
    assert sorted(range(5), key=lambda index: moved[index]) == [1, 2, 0, 3, 4]
    ordered = sorted(moved)
    assert all(after - before >= 10 - 1e-9 for before, after in itertools.pairwise(ordered))
    assert moved[4] == 40.0
