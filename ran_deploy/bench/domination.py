"""Which engines another one makes pointless: at least as accurate, at least as fast, and surely better in one."""

from collections.abc import Callable
from dataclasses import dataclass

from ran_deploy.bench.ratio import Ratio

RULE = (
    "B dominates A if B is at least as accurate (as many images right, or, with 95% confidence, at most "
    "{tolerance:g} points fewer on the same images), at least as fast (geometric mean over the rounds), and in one "
    "of the two better beyond doubt: the 95% interval of the difference excludes none."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one engine, B, compares with another, A."""

    points: float
    """Accuracy of B minus that of A, in percentage points, on the same images."""
    points_ci95: tuple[float, float]
    speed: Ratio
    """Speed of B over that of A."""


def dominates(comparison: Comparison, tolerance_points: float) -> bool:
    """Whether B dominates A by :data:`RULE`.

    A tolerance is needed because the same network answers otherwise on a few images in each runtime; without one,
    a single lucky image would keep a slow engine on the front. No engine can dominate itself, nor two each other.
    """
    lowest = comparison.points_ci95[0]
    accurate = comparison.points >= 0 or lowest >= -tolerance_points
    surely_better = lowest > 0 or comparison.speed.ci95[0] > 1
    return accurate and comparison.speed.value >= 1 and surely_better


def dominators(count: int, compare: Callable[[int, int], Comparison], tolerance_points: float) -> list[tuple[int, ...]]:
    """Return for each of ``count`` engines the places of those that dominate it, undominated ones first.

    Args:
        count: How many engines there are.
        compare: Compares the engine at the first place, as B, with that at the second, as A.
        tolerance_points: See :data:`RULE`.
    """
    found = [[b for b in range(count) if b != a and dominates(compare(b, a), tolerance_points)] for a in range(count)]
    return [tuple(sorted(above, key=lambda b: (bool(found[b]), b))) for above in found]
