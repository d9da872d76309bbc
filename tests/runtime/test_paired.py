"""The statistics of paired comparisons, against published values, scipy and exact enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ran_deploy.errors import UsageError
from ran_deploy.runtime.paired import compare_predictions, mcnemar_exact, tango_interval

Z = stats.norm.ppf(0.975)


def test_published_examples() -> None:
    # Tables [[1, 1], [7, 12]] and [[59, 6], [16, 80]] of Fagerland, Lydersen and Laake.
    assert tango_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert tango_interval(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert mcnemar_exact(6, 16) == pytest.approx(0.052479, abs=5e-7)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (1, 1), (3, 9), (20, 21), (0, 40), (250, 300), (4000, 4321)]
)
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first)


@pytest.mark.parametrize("samples", [10, 1000, 10_000])
def test_without_disagreement_the_interval_has_its_closed_form(samples: int) -> None:
    half = Z**2 / (samples + Z**2)
    assert tango_interval(0, 0, samples) == pytest.approx((-half, half), rel=1e-9)


@pytest.mark.parametrize(("better", "worse", "samples"), [(3, 9, 40), (0, 4, 100), (120, 80, 10_000), (5, 0, 5)])
def test_the_edges_are_where_the_score_test_turns(better: int, worse: int, samples: int) -> None:
    low, high = tango_interval(better, worse, samples)

    def constrained_score(difference: float) -> float:
        # The share q of "only the reference right" that is likeliest under the difference, found by brute force.
        shares = np.linspace(max(0.0, -difference), (1 - difference) / 2, 2_000_001)
        rest = np.clip(1 - 2 * shares - difference, 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [
                np.where(count > 0, count * np.log(share), 0.0)
                for count, share in ((better, shares + difference), (worse, shares), (samples - better - worse, rest))
            ]
        share = shares[np.nanargmax(sum(parts))]
        return float(
            (better - worse - samples * difference) / math.sqrt(samples * (2 * share + difference - difference**2))
        )

    if low > -1:
        assert constrained_score(low) == pytest.approx(Z, rel=2e-3)
    if high < 1:
        assert constrained_score(high) == pytest.approx(-Z, rel=2e-3)


def test_the_interval_mirrors_and_holds_the_estimate() -> None:
    for better, worse in itertools.product((0, 1, 5, 17), repeat=2):
        low, high = tango_interval(better, worse, 40)
        assert -1 <= low < (better - worse) / 40 < high <= 1
        assert tango_interval(worse, better, 40) == pytest.approx((-high, -low))


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Exact coverage over every outcome of 60 images: near 95% on average, nowhere far below."""
    samples, coverage = 60, []
    edges = {
        (better, worse): tango_interval(better, worse, samples)
        for better in range(samples + 1)
        for worse in range(samples + 1 - better)
    }
    for p_better, p_worse in [(0.02, 0.02), (0.05, 0.1), (0.2, 0.1), (0.01, 0.2), (0.3, 0.3)]:
        truth = p_better - p_worse
        law = stats.multinomial(samples, [p_better, p_worse, 1 - p_better - p_worse])
        hits = [key for key, (low, high) in edges.items() if low <= truth <= high]
        counts = np.array([(better, worse, samples - better - worse) for better, worse in hits])
        coverage.append(float(law.pmf(counts).sum()))
    assert min(coverage) > 0.93
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.015)


def test_counts_from_predictions() -> None:
    reference = np.array([True, True, True, False, False])
    candidate = np.array([True, False, False, True, False])
    classes = np.array([0, 1, 2, 3, 4]), np.array([0, 5, 6, 7, 4])
    paired = compare_predictions(reference, candidate, *classes)
    assert (paired.samples, paired.only_reference_right, paired.only_candidate_right) == (5, 2, 1)
    assert (paired.reference_top1, paired.candidate_top1) == pytest.approx((60, 40))
    assert paired.difference_points == pytest.approx(-20)
    assert paired.agreement == pytest.approx(40)
    assert paired.mcnemar_p == 1
    low, high = paired.difference_ci95
    assert -100 < low < -20 < high < 100


@pytest.mark.parametrize("lengths", [(0, 0, 0, 0), (3, 2, 3, 3), (3, 3, 3, 1)])
def test_unequal_or_no_predictions_are_refused(lengths: tuple[int, int, int, int]) -> None:
    right, wrong = (np.ones(length, dtype=bool) for length in lengths[:2])
    first, second = (np.zeros(length, dtype=np.int64) for length in lengths[2:])
    with pytest.raises(UsageError, match=r"expected the same \[N\]"):
        compare_predictions(right, wrong, first, second)
