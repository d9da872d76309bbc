"""The rule on points made by hand."""

import pytest

from ran_deploy.bench.domination import Comparison, dominates, dominators
from ran_deploy.bench.ratio import Ratio

SURE, UNSURE = 0.02, 0.5


def compare(points: float, speed: float, *, half_points: float = SURE, share: float = SURE) -> Comparison:
    return Comparison(
        points=points,
        points_ci95=(points - half_points, points + half_points),
        speed=Ratio(value=speed, ci95=(speed * (1 - share), speed * (1 + share))),
    )


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (compare(1, 2), True),
        (compare(0, 2), True),
        (compare(1, 1), True),
        (compare(0, 1), False),
        (compare(-0.05, 2), True),
        (compare(-0.05, 2, half_points=0.06), False),
        (compare(-1, 2), False),
        (compare(1, 0.9), False),
        (compare(0, 1.2, share=UNSURE, half_points=UNSURE), False),
        (compare(0.3, 1.2, share=UNSURE, half_points=UNSURE), False),
        (compare(0.3, 1.2, share=UNSURE), True),
        (compare(0.3, 1.2, half_points=UNSURE), True),
    ],
    ids=[
        "better in both",
        "as accurate, faster",
        "more accurate, as fast",
        "the same",
        "surely within the tolerance, faster",
        "perhaps beyond the tolerance, faster",
        "a trade",
        "the opposite trade",
        "nothing is sure",
        "better in both, but not surely in any",
        "surely more accurate, perhaps faster",
        "perhaps more accurate, surely faster",
    ],
)
def test_the_rule(comparison: Comparison, expected: bool) -> None:
    assert dominates(comparison, 0.1) is expected


def test_the_tolerance_is_the_callers() -> None:
    assert not dominates(compare(-0.05, 2), 0)
    assert dominates(compare(-0.5, 2), 1)


def _dominators(*points: tuple[float, float]) -> list[tuple[int, ...]]:
    def between(b: int, a: int) -> Comparison:
        return compare(points[b][0] - points[a][0], points[b][1] / points[a][1])

    return dominators(len(points), between, 0.1)


def test_the_front_and_what_lies_behind_it() -> None:
    # (accuracy, speed): 0 is the most accurate, 3 the fastest; 1 is behind 0 and 2, 4 behind all but 1
    assert _dominators((94, 10), (92, 8), (93, 20), (90, 40), (89, 9)) == [(), (0, 2), (), (), (0, 2, 3)]


def test_those_that_nothing_dominates_come_first() -> None:
    assert _dominators((90, 10), (91, 20), (92, 30)) == [(2, 1), (2,), ()]


def test_two_that_are_alike_both_stay() -> None:
    assert _dominators((94, 10), (94, 10)) == [(), ()]


def test_one_alone() -> None:
    assert _dominators((94, 10)) == [()]
