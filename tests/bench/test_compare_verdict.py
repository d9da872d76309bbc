"""What verdicts say, and how often they are right on noise like that of a shared machine."""

from collections import Counter

import numpy as np
import pytest

from ran_deploy.bench.compare_interval import TimeRatio, paired_ratio
from ran_deploy.bench.compare_verdict import MOST_ROUNDS, judge, regressed
from tests.bench.noise import noisy_rounds

ROUNDS = 40


def ratio(low: float, high: float) -> TimeRatio:
    return TimeRatio(value=(low * high) ** 0.5, ci95=(low, high))


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (0.99, 1.01, "SAME"),
        (1.001, 1.029, "SAME"),  # surely slower, but by too little to matter
        (1.031, 1.08, "SLOWER"),
        (1.01, 1.06, "AMBIGUOUS"),
        (0.9, 0.97, "FASTER"),
        (0.9, 0.98, "AMBIGUOUS"),
        (0.95, 1.06, "AMBIGUOUS"),
    ],
)
def test_the_margin_decides(low: float, high: float, name: str) -> None:
    verdict = judge(ratio(low, high), rounds=20, margin=0.03)
    assert verdict.name == name
    swapped = judge(ratio(1 / high, 1 / low), rounds=20, margin=0.03).name
    assert swapped == {"SLOWER": "FASTER", "FASTER": "SLOWER"}.get(name, name)
    assert (verdict.rounds_needed is not None) is (name == "AMBIGUOUS")


def test_without_a_margin_every_sure_difference_counts() -> None:
    assert judge(ratio(1.001, 1.01), rounds=20, margin=0).name == "SLOWER"
    assert judge(ratio(0.98, 0.99), rounds=20, margin=0).name == "FASTER"
    assert judge(ratio(0.999, 1.001), rounds=20, margin=0).name == "AMBIGUOUS"


def test_the_sentences() -> None:
    assert judge(ratio(0.99, 1.01), rounds=20, margin=0.03).summary == (
        "B takes as long as A, to within 3% (-1.0% to +1.0%)."
    )
    assert judge(ratio(1.04, 1.06), rounds=20, margin=0.03).summary == (
        "B is surely more than 3% slower: its time is +5.0% (+4.0% to +6.0%)."
    )
    assert judge(ratio(1.001, 1.099), rounds=20, margin=0.03).summary.startswith(
        "B is surely slower, but not surely by more than 3% (+0.1% to +9.9%); about "
    )
    assert judge(ratio(1 / 1.03, 1.03), rounds=20, margin=0).summary.endswith("the estimate lies on the margin's edge.")


def test_the_rounds_that_would_decide_do_decide() -> None:
    """Four times the rounds halve the interval: what was twice too wide then fits."""
    wide = TimeRatio(value=1.0, ci95=(1 / 1.03**2, 1.03**2))
    needed = judge(wide, rounds=20, margin=0.03).rounds_needed
    assert needed == 80
    assert judge(TimeRatio(value=1.03, ci95=(1.02, 1.04)), rounds=20, margin=0.03).rounds_needed is None
    assert judge(TimeRatio(value=1.0, ci95=(0.5, 2)), rounds=20, margin=0.03).rounds_needed is None  # > MOST_ROUNDS
    assert 20 * (np.log(2) / np.log(1.03)) ** 2 > MOST_ROUNDS


def test_a_regression_is_sure_and_beyond_the_limit() -> None:
    assert regressed(ratio(1.031, 1.2), 0.03)
    assert not regressed(ratio(1.029, 1.2), 0.03)
    assert regressed(ratio(1.001, 1.002), 0)
    assert not regressed(ratio(0.5, 0.6), 0)


def verdicts(slowdown: float, *, trials: int = 400) -> dict[str, float]:
    """Return how often each verdict is given, for sessions that differ by 0.5% even for one file."""
    source, found = np.random.default_rng(7), Counter[str]()
    for _ in range(trials):
        a, b = noisy_rounds(source, ROUNDS, slowdown=slowdown, session=0.005)
        found[judge(paired_ratio(list(b), list(a)), rounds=ROUNDS, margin=0.03).name] += 1
    return {name: count / trials for name, count in found.items()}


def test_one_engine_twice_is_the_same_in_19_of_20_trials() -> None:
    found = verdicts(0.0)
    assert found["SAME"] >= 0.95
    assert "FASTER" not in found
    assert "SLOWER" not in found


@pytest.mark.parametrize(("slowdown", "name", "opposite"), [(0.05, "SLOWER", "FASTER"), (-1 / 21, "FASTER", "SLOWER")])
def test_a_difference_of_5_percent_is_found(slowdown: float, name: str, opposite: str) -> None:
    found = verdicts(slowdown)
    assert found[name] >= 0.85
    assert opposite not in found
    assert found.get("SAME", 0) <= 0.01


def test_a_difference_of_10_percent_is_always_found() -> None:
    assert verdicts(0.1)["SLOWER"] >= 0.99
