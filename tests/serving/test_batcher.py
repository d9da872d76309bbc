"""The batcher, with a clock that is turned by hand and computing that ends when it is told to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.batcher import Batcher
from ran_deploy.serving.errors import DeadlineError, QueueFullError, UnavailableError
from tests.serving.by_hand import Computing, HandClock, Remembering, images_of, logits_of, settle

DELAY = 0.5


@dataclass
class Bench:
    """A batcher of at most four images, and everything around it."""

    clock: HandClock = field(default_factory=HandClock)
    computing: Computing = field(default_factory=Computing)
    seen: Remembering = field(default_factory=Remembering)
    batcher: Batcher = field(init=False)

    def open(
        self, *, queue: int = 100, concurrency: int = 1, ahead: int = 0, delay: float = DELAY, lone_waits: bool = True
    ) -> "Bench":
        self.batcher = Batcher(
            self.computing,
            max_batch=4,
            max_delay_s=delay,
            lone_waits=lone_waits,
            queue=queue,
            concurrency=concurrency,
            ahead=ahead,
            clock=self.clock,
            observer=self.seen,
        )
        return self

    async def ask(self, *values: int, deadline: float | None = None) -> "asyncio.Task[Logits]":
        task = asyncio.ensure_future(self.batcher.submit(images_of(*values), deadline=deadline))
        await settle()
        return task


def in_loop(test: Callable[[Bench], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def body() -> None:
            await test(Bench())

        asyncio.run(body())

    run.__name__ = test.__name__
    return run


@in_loop
async def test_a_full_batch_starts_at_once_and_each_gets_its_own_rows(bench: Bench) -> None:
    bench.open()
    first, second, third = await bench.ask(1), await bench.ask(2, 3), await bench.ask(4)
    assert bench.computing.batches == [(1, 2, 3, 4)]
    await bench.computing.end(0)
    np.testing.assert_array_equal(await first, logits_of(1))
    np.testing.assert_array_equal(await second, logits_of(2, 3))
    np.testing.assert_array_equal(await third, logits_of(4))
    assert bench.seen.answers == [(1, 0), (2, 0), (1, 0)]
    assert not bench.clock.waiting


@in_loop
async def test_a_batch_that_is_not_full_starts_when_its_first_request_has_waited(bench: Bench) -> None:
    bench.open()
    await bench.ask(1)
    await bench.clock.advance(0.4)
    await bench.ask(2)
    assert bench.computing.batches == []
    await bench.clock.advance(0.1)
    assert bench.computing.batches == [(1, 2)]
    assert bench.seen.queue_seconds == pytest.approx([0.5, 0.1])
    await bench.clock.advance(0.25)
    await bench.computing.end(0)
    assert bench.seen.batches == [(2, 0.25)]
    assert [images for images, _ in bench.seen.answers] == [1, 1]
    assert bench.seen.depths[-1] == 0


@in_loop
async def test_an_answer_tells_how_long_it_took(bench: Bench) -> None:
    bench.open()
    asked = asyncio.ensure_future(bench.batcher.submit_timed(images_of(1)))
    await settle()
    await bench.clock.advance(0.75)
    await bench.computing.end(0)
    answer = await asked
    np.testing.assert_array_equal(answer.logits, logits_of(1))
    assert (answer.queue_s, answer.total_s) == (0.5, 0.75)


@in_loop
async def test_without_delay_a_request_does_not_wait(bench: Bench) -> None:
    bench.open(delay=0)
    await bench.ask(1)
    assert bench.computing.batches == [(1,)]


@in_loop
async def test_a_request_that_comes_alone_need_not_wait_and_those_that_follow_soon_do(bench: Bench) -> None:
    bench.open(lone_waits=False)
    await bench.ask(1)
    assert bench.computing.batches == [(1,)]
    await bench.computing.end(0)
    await bench.clock.advance(DELAY - 0.125)
    await bench.ask(2)
    assert bench.computing.batches == [(1,)], "one came shortly before: another may come"
    await bench.ask(3)
    await bench.clock.advance(DELAY)
    assert bench.computing.batches[1:] == [(2, 3)]
    await bench.computing.end(1)
    await bench.ask(4)
    assert bench.computing.batches[2:] == [(4,)], "none has come for as long as it would wait"
    assert bench.seen.queue_seconds == pytest.approx([0, DELAY, DELAY, 0])


@in_loop
async def test_a_lone_request_still_waits_for_the_computing(bench: Bench) -> None:
    bench.open(lone_waits=False)
    await bench.ask(1)
    await bench.clock.advance(2 * DELAY)
    await bench.ask(2)
    assert bench.computing.batches == [(1,)]
    await bench.ask(3)
    await bench.computing.end(0)
    assert bench.computing.batches[1:] == [(2, 3)]


@in_loop
async def test_while_a_batch_is_computed_the_next_one_gathers(bench: Bench) -> None:
    bench.open()
    await bench.ask(1, 2, 3, 4)
    await bench.ask(5)
    await bench.clock.advance(10)
    assert bench.computing.batches == [(1, 2, 3, 4)]
    assert not bench.clock.waiting, "nothing can start before the batch ends, so nothing needs to wake up"
    await bench.ask(6)
    await bench.computing.end(0)
    assert bench.computing.batches[1:] == [(5, 6)], "their time has come: they start as soon as there is room"


@in_loop
async def test_a_full_batch_is_given_ahead_and_a_part_of_one_is_not(bench: Bench) -> None:
    bench.open(ahead=1)
    await bench.ask(1, 2, 3, 4)
    await bench.ask(5, 6, 7)
    await bench.clock.advance(1)
    assert len(bench.computing.batches) == 1
    await bench.ask(8)
    assert bench.computing.batches[1:] == [(5, 6, 7, 8)]
    await bench.ask(9, 10, 11, 12)
    assert len(bench.computing.batches) == 2, "only one is given ahead"
    await bench.clock.advance(2)
    await bench.computing.end(0)
    assert bench.computing.batches[2:] == [(9, 10, 11, 12)]
    await bench.clock.advance(3)
    await bench.computing.end(1)
    # What was given ahead has waited until it had the computing for itself.
    assert bench.seen.batches == [(4, 3.0), (4, 3.0)]
    assert bench.seen.queue_seconds[:3] == [0, 3.0, 2.0]


@in_loop
async def test_several_are_computed_at_the_same_time(bench: Bench) -> None:
    bench.open(concurrency=2)
    asked = [await bench.ask(*range(start, start + 4)) for start in (0, 4, 8)]
    assert bench.computing.batches == [(0, 1, 2, 3), (4, 5, 6, 7)]
    await bench.computing.end(1)
    assert asked[1].done()
    assert bench.computing.batches[2:] == [(8, 9, 10, 11)]
    assert not asked[0].done()


@in_loop
async def test_a_large_request_is_split_and_joined_in_order(bench: Bench) -> None:
    bench.open(concurrency=3)
    asked = await bench.ask(*range(10))
    await bench.clock.advance(DELAY)
    assert bench.computing.batches == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    for batch in (2, 0, 1):
        assert not asked.done()
        await bench.computing.end(batch)
    np.testing.assert_array_equal(await asked, logits_of(*range(10)))


@in_loop
async def test_a_request_that_does_not_fit_opens_the_next_batch(bench: Bench) -> None:
    bench.open()
    await bench.ask(1, 2, 3)
    await bench.ask(4, 5)
    assert bench.computing.batches == [(1, 2, 3)], "a request that fits a batch is kept together"
    await bench.computing.end(0)
    await bench.clock.advance(DELAY)
    assert bench.computing.batches[1:] == [(4, 5)]


@in_loop
async def test_images_of_another_shape_or_type_are_never_in_one_batch(bench: Bench) -> None:
    bench.open()
    await bench.ask(1)
    wide = asyncio.ensure_future(bench.batcher.submit(np.full((1, 2, 2, 3), 2, np.uint8)))
    real = asyncio.ensure_future(bench.batcher.submit(np.full((1, 2, 2, 3), 3, np.float32)))
    await settle()
    await bench.clock.advance(DELAY)
    for batch in range(3):
        await bench.computing.end(batch)
        await bench.clock.advance(DELAY)
    assert bench.computing.batches == [(1,), (2,), (3,)]
    np.testing.assert_array_equal(await wide, logits_of(2))
    np.testing.assert_array_equal(await real, logits_of(3))


@in_loop
async def test_a_cancelled_request_leaves_the_queue(bench: Bench) -> None:
    bench.open()
    first, second = await bench.ask(1), await bench.ask(2)
    first.cancel()
    await settle()
    assert bench.batcher.depth == 1
    await bench.clock.advance(DELAY)
    assert bench.computing.batches == [(2,)]
    await bench.computing.end(0)
    np.testing.assert_array_equal(await second, logits_of(2))
    assert bench.seen.failures == ["cancelled"]


@in_loop
async def test_the_others_of_a_batch_do_not_notice_a_cancelled_one(bench: Bench) -> None:
    bench.open()
    first, second = await bench.ask(1, 2), await bench.ask(3, 4)
    first.cancel()
    await settle()
    await bench.computing.end(0)
    np.testing.assert_array_equal(await second, logits_of(3, 4))
    with pytest.raises(asyncio.CancelledError):
        await first


@in_loop
async def test_a_request_past_its_deadline_is_not_run(bench: Bench) -> None:
    bench.open()
    await bench.ask(1, 2, 3, 4)
    late = await bench.ask(5, deadline=bench.clock.now() + 2)
    patient = await bench.ask(6, deadline=bench.clock.now() + 9)
    await bench.clock.advance(2)
    with pytest.raises(DeadlineError, match="deadline passed"):
        await late
    await bench.computing.end(0)
    assert bench.computing.batches[1:] == [(6,)]
    await bench.computing.end(1)
    np.testing.assert_array_equal(await patient, logits_of(6))
    assert not bench.clock.waiting
    with pytest.raises(DeadlineError):
        await bench.batcher.submit(images_of(7), deadline=bench.clock.now())
    assert bench.seen.failures == ["deadline", "deadline"]


@in_loop
async def test_a_deadline_passes_while_the_images_are_computed_too(bench: Bench) -> None:
    bench.open()
    late, other = await bench.ask(1, 2, deadline=bench.clock.now() + 2), await bench.ask(3, 4)
    await bench.clock.advance(2)
    with pytest.raises(DeadlineError):
        await late
    await bench.computing.end(0)
    np.testing.assert_array_equal(await other, logits_of(3, 4))


@in_loop
async def test_what_does_not_fit_into_the_queue_is_refused(bench: Bench) -> None:
    bench.open(queue=6)
    await bench.ask(1, 2, 3, 4)  # being computed: these wait no more
    waiting = [await bench.ask(5, 6, 7), await bench.ask(8, 9)]
    with pytest.raises(QueueFullError, match="5 images wait already; 2 more do not fit into the queue of 6"):
        await bench.batcher.submit(images_of(10, 11))
    waiting.append(await bench.ask(10))
    waiting[0].cancel()
    await settle()
    waiting.append(await bench.ask(11))
    for batch in range(2):
        await bench.computing.end(batch)
    assert bench.computing.batches[1:] == [(8, 9, 10, 11)]
    assert max(bench.seen.depths) == 6
    assert bench.seen.failures == ["queue_full", "cancelled"]


@in_loop
async def test_what_could_never_wait_is_refused_as_such(bench: Bench) -> None:
    bench.open(queue=6)
    with pytest.raises(UsageError, match="7 images; expected 1 to 6"):
        await bench.batcher.submit(images_of(*range(7)))
    with pytest.raises(UsageError, match="0 images"):
        await bench.batcher.submit(images_of())
    with pytest.raises(UsageError, match="no images"):
        await bench.batcher.submit(np.array(1))


@in_loop
async def test_a_failure_reaches_only_the_members_of_its_batch(bench: Bench) -> None:
    bench.open()
    broken, well = await bench.ask(1, 2, 3, 4), await bench.ask(5)
    await bench.clock.advance(DELAY)
    await bench.computing.end(0, RuntimeError("out of luck"))
    with pytest.raises(RuntimeError, match="out of luck"):
        await broken
    await bench.computing.end(1)
    np.testing.assert_array_equal(await well, logits_of(5))
    assert bench.seen.failures == ["error"]


@in_loop
async def test_the_rest_of_a_split_request_that_failed_is_not_run(bench: Bench) -> None:
    bench.open()
    large, small = await bench.ask(*range(8)), await bench.ask(9)
    await bench.clock.advance(DELAY)
    await bench.computing.end(0, RuntimeError("out of luck"))
    with pytest.raises(RuntimeError):
        await large
    assert bench.computing.batches[1:] == [(9,)]
    await bench.computing.end(1)
    np.testing.assert_array_equal(await small, logits_of(9))


@in_loop
async def test_a_wrong_number_of_logits_is_an_error(bench: Bench) -> None:
    async def forgetful(images: np.ndarray) -> Logits:
        return logits_of(1)

    batcher = Batcher(forgetful, max_batch=4, max_delay_s=0, queue=9, clock=bench.clock)
    with pytest.raises(RanDeployError, match="2 images came back with 1 rows"):
        await batcher.submit(images_of(1, 2))


@in_loop
async def test_draining_answers_all_that_was_admitted_and_admits_nothing(bench: Bench) -> None:
    bench.open()
    asked = [await bench.ask(1, 2, 3, 4), await bench.ask(5)]
    draining = asyncio.ensure_future(bench.batcher.drain())
    await settle()
    with pytest.raises(UnavailableError, match="takes no more images"):
        await bench.batcher.submit(images_of(6))
    await bench.computing.end(0)
    assert bench.computing.batches[1:] == [(5,)], "without waiting for others that cannot come"
    assert not draining.done()
    await bench.computing.end(1)
    await draining
    assert [task.done() for task in asked] == [True, True]
    np.testing.assert_array_equal(await asked[1], logits_of(5))


@in_loop
async def test_closing_refuses_what_waits_and_lets_the_computing_end(bench: Bench) -> None:
    bench.open()
    computed, waiting = await bench.ask(1, 2, 3, 4), await bench.ask(5)
    closing = asyncio.ensure_future(bench.batcher.close())
    with pytest.raises(UnavailableError):
        await waiting
    assert not closing.done()
    await bench.computing.end(0)
    await closing
    np.testing.assert_array_equal(await computed, logits_of(1, 2, 3, 4))
    assert bench.computing.batches == [(1, 2, 3, 4)]


@in_loop
async def test_a_batcher_is_a_context(bench: Bench) -> None:
    async with bench.open().batcher:
        asked = await bench.ask(1)
        await bench.clock.advance(DELAY)
        await bench.computing.end(0)
    np.testing.assert_array_equal(await asked, logits_of(1))

    async def fail() -> None:
        async with bench.open().batcher:
            waiting.append(await bench.ask(2))
            raise ZeroDivisionError

    waiting: list[asyncio.Task[Logits]] = []
    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(UnavailableError):
        await waiting[0]


def test_the_end_of_the_event_loop_refuses_what_waits() -> None:
    ends: list[BaseException] = []

    async def ask(bench: Bench, value: int) -> None:
        try:
            await bench.batcher.submit(images_of(value, value, value, value))
        except BaseException as error:
            ends.append(error)
            raise

    async def body() -> None:
        bench = Bench().open()
        asked = [asyncio.ensure_future(ask(bench, value)) for value in (1, 2)]
        await settle()
        assert bench.computing.batches == [(1, 1, 1, 1)]
        del asked

    asyncio.run(body())  # which cancels all tasks that are left
    assert len(ends) == 2


def test_with_the_real_clock() -> None:
    async def body() -> list[Logits]:
        async def run(images: np.ndarray) -> Logits:
            await asyncio.sleep(0)
            return logits_of(*images[:, 0, 0, 0])

        async with Batcher(run, max_batch=4, max_delay_s=0.001, queue=99) as batcher:
            return await asyncio.gather(*(batcher.submit(images_of(value)) for value in range(10)))

    for value, logits in enumerate(asyncio.run(body())):
        np.testing.assert_array_equal(logits, logits_of(value))


def test_options_out_of_range_are_refused() -> None:
    for options in ({"max_batch": 0}, {"queue": 0}, {"concurrency": 0}):
        with pytest.raises(UsageError, match="expected at least 1"):
            Batcher(Computing(), **{"max_batch": 1, "max_delay_s": 0, "queue": 1, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_request_ends_as_it_should(seed: int) -> None:
    rng = np.random.default_rng(seed)

    async def body() -> None:
        concurrency, ahead = int(rng.integers(1, 4)), int(rng.integers(0, 2))
        bench = Bench().open(queue=12, concurrency=concurrency, ahead=ahead)
        asked: dict[asyncio.Task[Logits], tuple[int, ...]] = {}
        cancelled: set[asyncio.Task[Logits]] = set()
        running: list[int] = []
        known, value = 0, 0
        for _ in range(200):
            running += range(known, len(bench.computing.batches))
            known = len(bench.computing.batches)
            assert len(running) <= concurrency + ahead
            assert bench.batcher.depth <= 12
            step = rng.integers(5)
            if step < 2:
                values = tuple((value + place) % 256 for place in range(rng.integers(1, 10)))
                value += len(values)
                late = bench.clock.now() + float(rng.exponential(3 * DELAY)) if rng.random() < 0.3 else None
                asked[await bench.ask(*values, deadline=late)] = values
            elif step == 2 and running:
                error = RuntimeError("out of luck") if rng.random() < 0.2 else None
                await bench.computing.end(running.pop(int(rng.integers(len(running)))), error)
            elif step == 3:
                await bench.clock.advance(float(rng.exponential(DELAY)))
            elif asked and rng.random() < 0.2:
                task = list(asked)[int(rng.integers(len(asked)))]
                if not task.done() and task.cancel():
                    cancelled.add(task)
                await settle()
        draining = asyncio.ensure_future(bench.batcher.drain())
        await settle()
        while not draining.done():
            running += range(known, len(bench.computing.batches))
            known = len(bench.computing.batches)
            await bench.computing.end(running.pop())
        assert all(len(batch) <= 4 for batch in bench.computing.batches)
        assert bench.batcher.depth == 0
        assert not bench.clock.waiting
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        for (task, values), outcome in zip(asked.items(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, RuntimeError | DeadlineError | QueueFullError | asyncio.CancelledError)
                assert isinstance(outcome, asyncio.CancelledError) == (task in cancelled)
            else:
                np.testing.assert_array_equal(outcome, logits_of(*values))
        assert len(bench.seen.answers) + len(bench.seen.failures) == len(asked)

    asyncio.run(body())
