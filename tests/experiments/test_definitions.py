"""The published comparisons: that their networks and options are known, and that the figures are the sources'."""

import pytest

from ran_deploy.arch.registry import find_entry
from ran_deploy.config import from_mapping
from ran_deploy.errors import UsageError
from ran_deploy.experiments.definitions import EXPERIMENTS, Contender, Experiment, find_experiment
from ran_deploy.experiments.table import recipe_text


def orderings(name: str) -> list[tuple[str, str]]:
    return [(better.name, worse.name) for better, worse in find_experiment(name).orderings]


def test_names() -> None:
    assert [experiment.name for experiment in EXPERIMENTS] == [
        *("columbia", "stanford", "arl-vs-nal", "attention-type", "noise", "mask")
    ]


@pytest.mark.parametrize(
    ("name", "hint"), [("colombia", "Did you mean 'columbia'"), ("xyz", "Known experiments: colu")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="no experiment") as said:
        find_experiment(name)
    assert hint in said.value.fix


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_network_is_registered_and_has_a_name_and_a_figure_of_its_own(experiment: Experiment) -> None:
    names = [contender.name for contender in experiment.contenders]
    assert len(set(names)) == len(names) == len({contender.label for contender in experiment.contenders})
    for contender in experiment.contenders:
        assert 0 < contender.published < 100
        options = find_entry(contender.arch, experiment.dataset).options
        from_mapping(options, contender.options, where=contender.name)
    for better, worse in experiment.orderings:
        assert better.published > worse.published
    assert recipe_text(experiment.recipe)


def test_columbia_ranks_all_five() -> None:
    assert len(orderings("columbia")) == 10
    assert orderings("columbia")[0] == ("attention-56", "naive-cnn")
    assert orderings("columbia")[-1] == ("attention-92", "resnet-152")


def test_stanford_ranks_all_four() -> None:
    published = {contender.name: contender.published for contender in find_experiment("stanford").contenders}
    assert published == {
        "no-attention": 48.0,
        "attn-simple": 46.7,
        "attn-reduction": 32.7,
        "no-attention-extra": 48.2,
    }
    assert len(orderings("stanford")) == 6


def test_only_the_comparisons_that_the_paper_makes() -> None:
    assert ("arl-164", "nal-164") in orderings("arl-vs-nal")
    assert ("arl-164", "nal-56") not in orderings("arl-vs-nal")
    assert orderings("noise") == [(f"attention-92-{noise}", f"resnet-164-{noise}") for noise in (10, 30, 50, 70)]


def test_noise_is_the_only_difference_in_training() -> None:
    differing = [dict(contender.recipe) for contender in find_experiment("noise").contenders]
    assert differing == [{"label_noise": noise} for noise in (0.1, 0.1, 0.3, 0.3, 0.5, 0.5, 0.7, 0.7)]
    others = [experiment for experiment in EXPERIMENTS if experiment.name != "noise"]
    assert not any(contender.recipe for experiment in others for contender in experiment.contenders)


def test_pairs_are_turned_by_the_published_figures() -> None:
    low, high = (
        Contender(name=name, label=name, arch="att56", published=published) for name, published in (("a", 1), ("b", 2))
    )
    experiment = Experiment(
        name="x",
        title="",
        dataset="cifar10",
        source="",
        setting="",
        recipe=find_experiment("columbia").recipe,
        contenders=(low, high),
        pairs=(("a", "b"),),
    )
    assert experiment.orderings == ((high, low),)
