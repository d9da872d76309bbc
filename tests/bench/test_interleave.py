from typing import Any

import numpy as np

from ran_deploy.bench.interleave import measure_in_rounds
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Session


class Watched:
    """A real session that notes when it runs."""

    def __init__(self, session: Session, name: str, log: list[str]) -> None:
        self._session, self._name, self._log = session, name, log

    def run(self, images: Any) -> Any:
        self._log.append(self._name)
        return self._session.run(images)


def test_engines_have_their_turns_one_after_the_other(make_engine: Any) -> None:
    log: list[str] = []
    turns: list[int] = []
    buffers = (np.zeros((2, 4, 4, 3), np.uint8), np.ones((2, 4, 4, 3), np.uint8))
    with open_engine(make_engine(), threads=1) as session:
        engines: Any = [(Watched(session, name, log), buffers) for name in "ABC"]
        results = measure_in_rounds(engines, rounds=3, turn_s=0, settle_ms=0, after_turn=lambda: turns.append(len(log)))
    assert "".join(log) == "AABBCC" * 3  # an untimed run and a timed one in each turn
    assert turns == list(range(2, 20, 2))
    for result in results:
        assert (result.batch, result.runs) == (2, 3)
        assert len(result.round_p50_ms) == len(result.round_images_per_s) == 3
        assert result.p50_ms == sorted(result.round_p50_ms)[1]
        assert min(result.round_images_per_s) <= result.images_per_s <= max(result.round_images_per_s)


def test_the_order_alternates_where_asked(make_engine: Any) -> None:
    log: list[str] = []
    with open_engine(make_engine(), threads=1) as session:
        images = [(np.full((1, 4, 4, 3), value, np.uint8),) for value in (0, 1)]
        engines: Any = [(Watched(session, name, log), buffers) for name, buffers in zip("AB", images, strict=True)]
        results = measure_in_rounds(engines, rounds=4, turn_s=0, settle_ms=0, alternate=True)
    assert "".join(log) == "AABBBBAA" * 2
    assert [len(result.round_p50_ms) for result in results] == [4, 4]


def test_rounds_go_on_as_long_as_more_are_asked_for(make_engine: Any) -> None:
    log: list[str] = []
    seen: list[int] = []

    def more(so_far: Any) -> int:
        seen.append(len(so_far[1].round_p50_ms))
        return 3 if len(seen) == 1 else 0

    with open_engine(make_engine(), threads=1) as session:
        images = [(np.full((1, 4, 4, 3), value, np.uint8),) for value in (0, 1)]
        engines: Any = [(Watched(session, name, log), buffers) for name, buffers in zip("AB", images, strict=True)]
        results = measure_in_rounds(engines, rounds=2, turn_s=0, settle_ms=0, alternate=True, more=more)
    assert seen == [2, 5]
    assert "".join(log) == "AABBBBAAAABBBBAAAABB", "the order alternates across the look"
    assert [result.runs for result in results] == [5, 5]


def test_a_turn_lasts_and_settles_first(make_engine: Any) -> None:
    log: list[str] = []
    with open_engine(make_engine(), threads=1) as session:
        engine: Any = (Watched(session, "A", log), (np.zeros((1, 4, 4, 3), np.uint8),))
        (result,) = measure_in_rounds([engine], rounds=1, turn_s=0.05, settle_ms=50)
    assert result.runs / result.images_per_s >= 0.05
    assert len(log) > result.runs + 1
    assert result.round_p50_ms == (result.p50_ms,)
