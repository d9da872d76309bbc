"""What an interval of a ratio of times allows to say: FASTER, SLOWER, SAME or AMBIGUOUS.

Two sessions of one file differ by a per cent or so for reasons that no interval over rounds covers: where their
memory lies, which threads they got. So a verdict is about a margin (3% unless chosen otherwise), never about 1:

    SAME       the whole interval is within the margin: a difference, if any, is too small to matter.
    SLOWER     the whole interval is above 1 + margin: B surely takes more than the margin longer.
    FASTER     the whole interval is below 1 / (1 + margin): A surely takes more than the margin longer.
    AMBIGUOUS  an edge of the margin is inside the interval: more rounds are needed to tell, and are measured up to a
               limit; the interval is then wide enough to be looked at several times.

Source: equivalence by the inclusion of a confidence interval, D. J. Schuirmann, "A comparison of the two one-sided
tests procedure and the power approach" (1987).
"""

import math
from dataclasses import dataclass
from typing import Literal

from ran_deploy.bench.compare_interval import TimeRatio

DEFAULT_MARGIN = 0.03
MOST_ROUNDS = 1000
"""More rounds than this are not proposed."""

VerdictName = Literal["FASTER", "SLOWER", "SAME", "AMBIGUOUS"]

RULE = (
    "SAME: the 95% interval of B's time over A's lies within ±{margin}; FASTER, SLOWER: wholly beyond it; "
    "AMBIGUOUS: an edge of the margin is inside it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What can be said of B against A."""

    name: VerdictName
    rounds_needed: int | None
    """For AMBIGUOUS: about how many rounds would decide if they went on as seen; None where the estimate is so near
    to the edge of the margin that :data:`MOST_ROUNDS` would not."""
    summary: str
    """The verdict in one sentence."""


def judge(ratio: TimeRatio, *, rounds: int, margin: float, unit: str = "rounds") -> Verdict:
    """Return the verdict on a ratio of times.

    Args:
        ratio: B's time over A's.
        rounds: How many rounds it comes from.
        margin: Largest relative difference that counts as none; 0: every sure difference counts.
        unit: What the rounds are called in the sentence.
    """
    low, high = ratio.ci95
    edge = 1 + margin
    name: VerdictName = "AMBIGUOUS"
    if margin and 1 / edge <= low and high <= edge:
        name = "SAME"
    elif low > edge:
        name = "SLOWER"
    elif high < 1 / edge:
        name = "FASTER"
    needed = _rounds_needed(ratio, rounds, margin) if name == "AMBIGUOUS" else None
    return Verdict(name=name, rounds_needed=needed, summary=_summary(name, ratio, margin, needed, unit))


def regressed(ratio: TimeRatio, limit: float) -> bool:
    """Whether B is surely slower than A by more than ``limit``, a share of A's time."""
    return ratio.ci95[0] > 1 + limit


def percent(share: float) -> str:
    """Return a share as a person reads it: 0.03 as "3%"."""
    return f"{100 * share:.3g}%"


def change(ratio: float) -> str:
    """Return a ratio as a signed change: 1.05 as "+5.0%"."""
    return f"{100 * (ratio - 1):+.1f}%"


def _summary(name: VerdictName, ratio: TimeRatio, margin: float, needed: int | None, unit: str) -> str:
    low, high = ratio.ci95
    interval = f"{change(low)} to {change(high)}"
    if name == "SAME":
        return f"B takes as long as A, to within {percent(margin)} ({interval})."
    if name != "AMBIGUOUS":
        beyond = f"more than {percent(margin)} " if margin else ""
        return f"B is surely {beyond}{name.lower()}: its time is {change(ratio.value)} ({interval})."
    known = "slower" if low > 1 else "faster" if high < 1 else ""
    sure = (
        f"B is surely {known}, but not surely by more than {percent(margin)}" if known else "The interval is too wide"
    )
    more = f"about {needed:,} {unit} would decide" if needed else "the estimate lies on the margin's edge"
    return f"{sure} ({interval}); {more}."


def _rounds_needed(ratio: TimeRatio, rounds: int, margin: float) -> int | None:
    """Return how many rounds make the interval so narrow that it no longer holds the nearest edge of the margin.

    The width of an interval falls with the square root of the number of rounds.
    """
    centre, edge = math.log(ratio.value), math.log1p(margin)
    half = (math.log(ratio.ci95[1]) - math.log(ratio.ci95[0])) / 2
    distance = min(abs(centre - edge), abs(centre + edge))
    if distance <= 0 or rounds * (half / distance) ** 2 > MOST_ROUNDS:
        return None
    needed = max(rounds + 1, math.ceil(rounds * (half / distance) ** 2))
    step = int(10 ** max(0, len(str(needed)) - 2))  # two digits: the estimate is no better than that
    return -(-needed // step) * step
