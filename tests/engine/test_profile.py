"""The batch sizes of a plan."""

import pytest

from ran_deploy.engine.profile import make_profile
from ran_deploy.errors import UsageError


@pytest.mark.parametrize(
    ("given", "opt"),
    [((1, None, 64), 8), ((1, None, 4), 4), ((16, None, 64), 16), ((1, 32, 64), 32), ((1, None, 1), 1)],
)
def test_opt_is_eight_or_the_nearest(given: tuple[int, int | None, int], opt: int) -> None:
    profile = make_profile(*given)
    assert (profile.min_batch, profile.opt_batch, profile.max_batch) == (given[0], opt, given[2])


@pytest.mark.parametrize("given", [(0, None, 64), (2, 1, 64), (1, 65, 64), (9, None, 4), (-1, -1, -1), (1, 8, 10**11)])
def test_wrong_orders_are_refused(given: tuple[int, int | None, int]) -> None:
    with pytest.raises(UsageError, match="1 ≤ min ≤ opt ≤ max ≤ 65536"):
        make_profile(*given)
