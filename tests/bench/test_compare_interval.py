import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, wilcoxon

from ran_deploy.bench.compare_interval import least_paired, paired_ratio, unpaired_ratio
from tests.bench.noise import noisy_rounds


def test_the_estimate_is_the_median_of_pairwise_means() -> None:
    a = [10.0] * 6
    b = [10.5, 10.4, 10.6, 10.5, 10.5, 30.0]  # one odd round
    ratio = paired_ratio(b, a)
    assert ratio.value == pytest.approx(1.05, abs=0.005)
    assert ratio.ci95 == pytest.approx((1.04, 3.0))  # six pairs have one interval only: all of the means
    assert paired_ratio(a, b).value == pytest.approx(1 / ratio.value)
    assert paired_ratio(a, b).ci95 == pytest.approx((1 / ratio.ci95[1], 1 / ratio.ci95[0]))


def test_the_paired_interval_holds_what_the_signed_rank_test_does_not_reject() -> None:
    source = np.random.default_rng(5)
    a, b = np.exp(source.normal(0, 0.1, (2, 12)))
    low, high = paired_ratio(list(b), list(a)).ci95
    for factor, inside in ((low * 1.001, True), (low * 0.999, False), (high * 0.999, True), (high * 1.001, False)):
        tested = wilcoxon(np.log(b) - np.log(a * factor), method="exact")
        assert bool(tested.pvalue > 0.05) is inside


def test_the_unpaired_interval_holds_what_the_rank_sum_test_does_not_reject() -> None:
    source = np.random.default_rng(6)
    a, b = np.exp(source.normal(0, 0.1, 8)), np.exp(source.normal(0.2, 0.1, 11))
    low, high = unpaired_ratio(list(b), list(a)).ci95
    for factor, inside in ((low * 1.001, True), (low * 0.999, False), (high * 0.999, True), (high * 1.001, False)):
        assert bool(mannwhitneyu(b, a * factor, method="exact").pvalue > 0.05) is inside


@pytest.mark.parametrize("slowdown", [0.0, 0.05, -0.2])
def test_the_paired_interval_covers_the_truth_on_a_shared_machine(slowdown: float) -> None:
    source, covered, trials = np.random.default_rng(1), 0, 400
    for _ in range(trials):
        a, b = noisy_rounds(source, 40, slowdown=slowdown)
        low, high = paired_ratio(list(b), list(a)).ci95
        covered += low <= 1 + slowdown <= high
    assert 0.92 <= covered / trials <= 0.98


def test_an_interval_for_several_looks_holds_at_all_of_them_together() -> None:
    source, covered, trials = np.random.default_rng(3), 0, 300
    for _ in range(trials):
        a, b = noisy_rounds(source, 80)
        looks = [paired_ratio(list(b[:count]), list(a[:count]), looks=3).ci95 for count in (20, 40, 80)]
        covered += all(low <= 1 <= high for low, high in looks)
    assert covered / trials >= 0.95
    once, thrice = (paired_ratio(list(b), list(a), looks=looks).ci95 for looks in (1, 3))
    assert thrice[0] < once[0] < once[1] < thrice[1]
    for factor, inside in ((thrice[0] * 1.0001, True), (thrice[0] * 0.9999, False)):
        tested = wilcoxon(np.log(b) - np.log(a * factor), method="exact")
        assert bool(tested.pvalue > 0.05 / 3) is inside


def test_more_looks_need_more_pairs() -> None:
    assert [least_paired(looks) for looks in (1, 2, 3, 4)] == [6, 7, 7, 8]
    with pytest.raises(ValueError, match="6 rounds"):
        paired_ratio([1.0] * 6, [1.0] * 6, looks=2)


def test_the_unpaired_interval_covers_the_truth_for_separate_processes() -> None:
    source, covered, trials = np.random.default_rng(2), 0, 400
    for _ in range(trials):
        a, b = np.exp(source.standard_t(3, (2, 7)) * 0.02)
        low, high = unpaired_ratio(list(1.05 * b), list(a)).ci95
        covered += low <= 1.05 <= high
    assert 0.92 <= covered / trials <= 0.98


@pytest.mark.parametrize(("compare", "least"), [(paired_ratio, 6), (unpaired_ratio, 5)])
def test_too_few_or_impossible_times_are_refused(compare, least: int) -> None:  # type: ignore[no-untyped-def]
    few, enough = [1.0] * (least - 1), [1.0] * least
    assert compare(enough, enough).ci95 == (1, 1)
    for b, a in itertools.permutations((few, enough)):
        with pytest.raises(ValueError, match="not positive"):
            compare(b, a)
    with pytest.raises(ValueError, match="not positive"):
        compare([*few, 0.0], enough)
