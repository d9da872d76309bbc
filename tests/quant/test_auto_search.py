from typing import Any

import pytest

from ran_deploy.quant.auto_search import fewest


@pytest.mark.parametrize("needed", [1, 2, 3, 4, 5, 6])
def test_the_search_finds_the_fewest(needed: int) -> None:
    class Judge:
        trials: tuple[()] = ()

        def __call__(self, groups: Any) -> bool:
            return len(groups) >= needed

    assert len(fewest(list(range(7)), Judge())) == needed  # type: ignore[arg-type]
