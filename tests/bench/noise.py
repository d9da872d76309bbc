"""Round medians of two engines on a shared machine, invented with all that makes real ones hard to compare."""

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]


def noisy_rounds(
    source: np.random.Generator, rounds: int, *, slowdown: float = 0.0, session: float = 0.0, scatter: float = 0.01
) -> tuple[Times, Times]:
    """Return the times of A and of B, each [rounds], in an alternating order A B B A …

    What hits both is far larger than what is looked for: a drift of up to 20% over the run and a wandering clock
    (random walk, 1% a turn). What hits single turns has heavy tails (Student's t with 3 degrees of freedom), is
    correlated from turn to turn (0.4), and one turn in fifteen is disturbed by a neighbour for 5 to 40%.

    Args:
        source: Where the numbers come from.
        rounds: How many rounds.
        slowdown: By how much B really is slower, such as 0.05.
        session: Standard deviation of a lasting difference between two sessions of one file.
        scatter: Scale of the turns' own noise.
    """
    turns = 2 * rounds
    common = source.uniform(-0.2, 0.2) * np.linspace(0, 1, turns) + np.cumsum(source.normal(0, 0.01, turns))
    own = source.standard_t(3, turns) * scatter
    for turn in range(1, turns):
        own[turn] += 0.4 * own[turn - 1]
    own += (source.random(turns) < 1 / 15) * source.uniform(0.05, 0.4, turns)
    times = 10 * np.exp(common + own)
    a, b = times[0::2].copy(), times[1::2].copy()
    a[1::2], b[1::2] = times[3::4], times[2::4]  # every second round runs B first
    return a, b * (1 + slowdown) * np.exp(source.normal(0, session))
