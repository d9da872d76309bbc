"""The door of a server."""

import asyncio

import pytest

from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.gate import Gate


def test_those_inside_finish_after_it_is_closed() -> None:
    async def scene() -> None:
        gate = Gate()
        assert await gate.emptied(0)
        with gate.admitted(), gate.admitted():
            assert gate.inside == 2
            gate.close()
            assert gate.closed
            assert not await gate.emptied(0)
            with pytest.raises(UnavailableError, match="shutting down"), gate.admitted():
                raise AssertionError
            waiting = asyncio.ensure_future(gate.emptied(None))
        assert await waiting
        assert gate.inside == 0

    asyncio.run(scene())


def test_one_that_fails_leaves_too() -> None:
    async def scene() -> None:
        gate = Gate()
        with pytest.raises(ZeroDivisionError), gate.admitted():
            _ = 1 // 0
        assert await gate.emptied(0)

    asyncio.run(scene())
