import json
import math

import numpy as np
import numpy.typing as npt
import pytest

from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.graph.parity import SQNR_CAP_DB, compare_logits, is_faithful


def logits(*rows: list[float]) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_metrics_computed_by_hand() -> None:
    metrics = compare_logits(logits([3.0, 4.0], [0.0, 2.0]), logits([3.0, 4.5], [0.0, 2.0]))
    assert (metrics.images, metrics.not_finite, metrics.flips, metrics.first_flips) == (2, 0, 0, ())
    assert metrics.max_abs == 0.5
    assert metrics.max_rel == 0.5 / 4
    first = (3 * 3 + 4 * 4.5) / (5 * math.hypot(3, 4.5))
    assert metrics.cosine_min == pytest.approx(first, abs=1e-12)
    assert metrics.cosine_mean == pytest.approx((first + 1) / 2, abs=1e-12)
    assert metrics.sqnr_db == pytest.approx(10 * math.log10((9 + 16 + 4) / 0.25), abs=1e-9)
    assert metrics.top1_agreement == 1


def test_small_logits_count_as_a_hundredth_for_the_relative_difference() -> None:
    metrics = compare_logits(logits([0.0, 1.0]), logits([0.001, 1.0]))
    assert metrics.max_rel == pytest.approx(0.1)


def test_equal_logits() -> None:
    same = logits([1.0, -2.0], [0.0, 0.0])
    metrics = compare_logits(same, same)
    assert (metrics.max_abs, metrics.max_rel, metrics.flips, metrics.top1_agreement) == (0, 0, 0, 1)
    assert metrics.cosine_min == pytest.approx(1, abs=1e-12)
    assert metrics.sqnr_db == SQNR_CAP_DB


def test_opposite_and_vanished_logits_show_in_the_cosine() -> None:
    assert compare_logits(logits([1.0, -2.0]), logits([-1.0, 2.0])).cosine_min == pytest.approx(-1)
    assert compare_logits(logits([1.0, -2.0]), logits([0.0, 0.0])).cosine_min == 0


def test_flips_come_with_the_margin_that_the_reference_had() -> None:
    metrics = compare_logits(
        logits([5.0, 1.0, 0.0], [1.0, 1.5, 0.0], [0.0, 0.0, 9.0]),
        logits([5.0, 6.0, 0.0], [1.6, 1.5, 0.0], [0.0, 0.0, 9.0]),
    )
    assert metrics.flips == 2
    assert metrics.top1_agreement == pytest.approx(1 / 3)
    assert [(flip.index, flip.reference_class, flip.candidate_class, flip.margin) for flip in metrics.first_flips] == [
        (0, 0, 1, 4.0),
        (1, 1, 0, 0.5),
    ]
    assert metrics.largest_flip_margin == 4.0


def test_all_flips_are_counted_and_twenty_listed() -> None:
    metrics = compare_logits(np.tile(logits([1.0, 0.0]), (50, 1)), np.tile(logits([0.0, 1.0]), (50, 1)))
    assert (metrics.flips, len(metrics.first_flips), metrics.top1_agreement) == (50, 20, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_logits_that_are_not_finite_are_counted_and_the_rest_is_measured(bad: float, side: str) -> None:
    whole, broken = logits([1.0, 2.0], [3.0, 1.0]), logits([1.0, 2.5], [3.0, bad])
    metrics = compare_logits(broken, whole) if side == "reference" else compare_logits(whole, broken)
    assert (metrics.not_finite, metrics.max_abs, metrics.top1_agreement) == (1, 0.5, 0.5)
    assert not is_faithful(metrics, 1.0)
    json.dumps(to_mapping(metrics), allow_nan=False)


def test_indices_of_flips_count_all_images() -> None:
    metrics = compare_logits(logits([math.nan, 0.0], [1.0, 0.0]), logits([1.0, 0.0], [0.0, 1.0]))
    assert metrics.first_flips[0].index == 1


def test_nothing_finite_at_all() -> None:
    nothing = np.full((3, 2), np.nan, np.float32)
    metrics = compare_logits(nothing, nothing)
    assert (metrics.not_finite, metrics.top1_agreement) == (3, 0)
    assert not is_faithful(metrics, 1.0)
    json.dumps(to_mapping(metrics), allow_nan=False)


def test_huge_logits_do_not_overflow() -> None:
    metrics = compare_logits(logits([3e38, -3e38]), logits([-3e38, 3e38]))
    assert metrics.max_abs == pytest.approx(6e38)
    json.dumps(to_mapping(metrics), allow_nan=False)


@pytest.mark.parametrize(("difference", "faithful"), [(0.9e-4, True), (1.1e-4, False)])
def test_the_gate_is_the_largest_difference(difference: float, faithful: bool) -> None:
    # Around zero, where float32 resolves the difference.
    metrics = compare_logits(logits([0.0, -1.0]), logits([difference, -1.0]))
    assert is_faithful(metrics, 1e-4) is faithful


def test_a_tie_may_fall_either_way_and_a_real_flip_may_not() -> None:
    tie = compare_logits(logits([0.0, 1e-5]), logits([2e-5, 0.0]))
    assert tie.flips == 1
    assert is_faithful(tie, 1e-4)
    assert not is_faithful(compare_logits(logits([0.0, 1.0]), logits([1.0, 0.0])), 1e-4)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((2, 3), (3, 3)), ((0, 3), (0, 3)), ((3,), (3,))])
def test_shapes_that_cannot_be_compared(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    reference, candidate = (np.zeros(shape, np.float32) for shape in shapes)
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_logits(reference, candidate)
