import asyncio

from ran_deploy.serving.watchdog import Watchdog
from tests.serving.by_hand import HandClock


def test_a_batch_has_its_own_time() -> None:
    async def body() -> None:
        clock, barks = HandClock(), []
        dog = Watchdog(10, clock, lambda: barks.append(clock.now()))
        for _ in range(5):  # five batches of 9 s, one right after another
            dog.begin()
            await clock.advance(9)
        dog.end()
        await clock.advance(100)
        assert barks == []
        dog.begin()
        began = clock.now()
        await clock.advance(9.99)
        assert barks == []
        await clock.advance(100)
        assert barks == [began + 10], "once, and then"

    asyncio.run(body())


def test_without_a_limit_it_sets_no_timer() -> None:
    clock = HandClock()
    dog = Watchdog(None, clock, lambda: None)
    dog.begin()
    dog.end()
    assert clock.waiting == []
