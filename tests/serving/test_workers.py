"""Worker processes: real ones with a tiny engine, killed at chosen moments; and scripted ones for what takes many."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Logits, SessionInfo
from ran_deploy.serving import workers as workers_module
from ran_deploy.serving.clock import Clock
from ran_deploy.serving.engine import EngineFacts
from ran_deploy.serving.errors import UnavailableError
from ran_deploy.serving.spec import HostOptions, ModelSpec
from ran_deploy.serving.worker import Order, WorkerLostError
from ran_deploy.serving.workers import WorkerPool
from tests.serving.by_hand import HandClock, Remembering, settle, until
from tests.serving.tiny import described, means_of, save_engine, some_images


def spec_of(path: Path, **more: Any) -> ModelSpec:
    return ModelSpec(name="means", path=path, version="1", **more)


def stop(pid: int) -> None:
    """Stop a worker process, and return when it has stopped."""
    os.kill(pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])


def test_workers_answer_as_the_bare_session_does(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")
    with open_engine(path) as session:
        expected = [session.run(some_images(count, seed=count)) for count in (1, 3, 8)]
    seen = Remembering()

    async def body() -> tuple[EngineFacts, list[Logits]]:
        pool = WorkerPool(spec_of(path), HostOptions(workers=2, max_batch=8), seen)
        facts = await pool.start()
        try:
            assert len(set(pool.pids)) == 2
            assert os.getpid() not in pool.pids
            return facts, await asyncio.gather(*(pool.run(some_images(count, seed=count)) for count in (1, 3, 8)))
        finally:
            await pool.close()

    facts, answers = asyncio.run(body())
    for answer, logits in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, logits)
        assert answer.dtype == np.float32
    with open_engine(path) as session:
        assert facts.contract == session.contract
        assert facts.manifest == session.manifest
        assert facts.info.sha256 == session.info.sha256
    assert (facts.min_batch, facts.max_batch) == (1, None)
    assert (seen.started, seen.lost) == (2, 0)


def test_a_worker_killed_in_the_middle_of_a_batch_is_replaced_and_its_batches_computed_again(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")
    seen = Remembering()

    async def body() -> None:
        pool = WorkerPool(spec_of(path), HostOptions(workers=1, max_batch=8), seen)
        await pool.start()
        try:
            (first,) = pool.pids
            stop(first)  # so that the batches are surely not answered before it is killed
            asked = [asyncio.ensure_future(pool.run(some_images(3, seed))) for seed in range(3)]
            await settle()
            os.kill(first, signal.SIGKILL)
            for seed, answer in enumerate(await asyncio.gather(*asked)):
                np.testing.assert_allclose(answer, means_of(some_images(3, seed)), rtol=1e-6)
            assert pool.pids != (first,)
            assert pool.failure == ""
        finally:
            await pool.close()

    asyncio.run(body())
    assert (seen.started, seen.lost) == (2, 1)


def test_the_other_worker_takes_over_what_a_killed_one_had(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body() -> None:
        pool = WorkerPool(spec_of(path), HostOptions(workers=2, max_batch=8, restarts=0), Remembering())
        await pool.start()
        try:
            victim, survivor = pool.pids
            stop(victim)
            asked = [asyncio.ensure_future(pool.run(some_images(2, seed))) for seed in range(4)]
            await settle()
            os.kill(victim, signal.SIGKILL)
            for seed, answer in enumerate(await asyncio.gather(*asked)):
                np.testing.assert_allclose(answer, means_of(some_images(2, seed)), rtol=1e-6)
            await until(lambda: pool.pids == (survivor,))
            assert pool.failure == "", "one is left"
        finally:
            await pool.close()

    asyncio.run(body())


def test_a_worker_that_hangs_is_killed_and_its_batches_computed_by_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_engine(tmp_path / "means.onnx")
    seen, clock = Remembering(), HandClock()

    async def body() -> None:
        pool = WorkerPool(spec_of(path), HostOptions(workers=1, max_batch=8, hang_s=30), seen, clock)
        await pool.start()
        try:
            await pool.run(some_images(1))
            assert clock.waiting == [], "nothing is computed, nothing is watched"
            (first,) = pool.pids
            stop(first)  # alive, and never done
            asked = [asyncio.ensure_future(pool.run(some_images(3, seed))) for seed in range(2)]
            await until(lambda: bool(clock.waiting))
            await clock.advance(29)
            assert pool.pids == (first,)
            await clock.advance(1)
            for seed, answer in enumerate(await asyncio.gather(*asked)):
                np.testing.assert_allclose(answer, means_of(some_images(3, seed)), rtol=1e-6)
            assert pool.pids != (first,)
            with pytest.raises(ProcessLookupError):
                os.kill(first, 0)
            assert clock.waiting == []
        finally:
            await pool.close()

    asyncio.run(body())
    assert (seen.started, seen.lost) == (2, 1)
    (record,) = caplog.records
    assert record.__dict__["fields"]["reason"] == "computed one batch for more than 30 s and was killed"


def test_a_batch_that_two_workers_hang_at_is_refused(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")
    clock = HandClock()

    async def body() -> None:
        pool = WorkerPool(spec_of(path), HostOptions(workers=2, hang_s=30), Remembering(), clock)
        await pool.start()
        try:
            for pid in pool.pids:
                stop(pid)
            asked = asyncio.ensure_future(pool.run(some_images(1)))
            for _ in range(2):
                await until(lambda: bool(clock.waiting))
                await clock.advance(30)
                await until(lambda: not clock.waiting or asked.done())
            with pytest.raises(UnavailableError, match="2 worker processes ended while they computed this batch"):
                await asked
        finally:
            await pool.close()

    asyncio.run(body())


def test_workers_ignore_the_signals_that_the_service_handles(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body() -> None:
        pool = WorkerPool(spec_of(path), HostOptions(workers=1), Remembering())
        await pool.start()
        try:
            before = pool.pids
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(before[0], number)
            await pool.run(some_images(1))
            assert pool.pids == before
        finally:
            await pool.close()

    asyncio.run(body())


def test_no_process_is_left_when_the_pool_is_closed(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body() -> int:
        pool = WorkerPool(spec_of(path), HostOptions(workers=1), Remembering())
        await pool.start()
        (pid,) = pool.pids
        await pool.close()
        with pytest.raises(UnavailableError, match="means cannot answer: it is closed"):
            await pool.run(some_images(1))
        return pid

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(body()), 0)


_ORPHANS = """
import asyncio, os, signal, sys
from pathlib import Path
from ran_deploy.serving.observer import Observer
from ran_deploy.serving.spec import HostOptions, ModelSpec
from ran_deploy.serving.workers import WorkerPool

async def main():
    pool = WorkerPool(ModelSpec(name="means", path=Path(sys.argv[1])), HostOptions(workers=1), Observer())
    await pool.start()
    print(len(pool.pids), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_workers_end_when_the_host_is_killed(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")
    host = subprocess.Popen(
        [sys.executable, "-c", _ORPHANS, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # The worker has the same stderr: its end comes when neither is left.
    out, err = host.communicate()
    assert (out, err, host.returncode) == ("1\n", "", -signal.SIGKILL)


class Scripted:
    """Stands for a worker process: starts, computes and dies as it is told."""

    def __init__(self, sha256: str, on_end: Callable[[], None]) -> None:
        self.facts = facts_of(sha256)
        self.alive = True
        self.killed = False
        self.hung = False
        self.pid = 0
        self._on_end = on_end
        self._asked: list[asyncio.Future[Logits]] = []

    @property
    def load(self) -> int:
        return len(self._asked)

    @property
    def has_room(self) -> bool:
        return self.alive and self.load < 2

    async def run(self, images: np.ndarray) -> Logits:
        self._asked.append(asyncio.get_running_loop().create_future())
        return await self._asked[-1]

    async def answer(self, error: RanDeployError | None = None) -> None:
        if error is None:
            self._asked.pop(0).set_result(np.zeros((1, 3), np.float32))
        else:
            self._asked.pop(0).set_exception(error)
        await settle()

    def kill(self) -> None:
        self.killed = True

    async def close(self) -> int:
        self.alive = False
        return -9

    async def die(self) -> None:
        self.alive = False
        for place, asked in enumerate(self._asked):
            asked.set_exception(WorkerLostError(computing=place == 0))
        self._asked.clear()
        self._on_end()
        await settle()


class Script:
    """Says how each start of a worker goes: the hash of the file that it opens, or why it cannot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *starts: str | RanDeployError) -> None:
        self.workers: list[Scripted] = []
        self._starts = list(starts)
        monkeypatch.setattr(workers_module, "Worker", self)

    async def start(self, order: Order, on_end: Callable[[], None], clock: Clock) -> Scripted:
        start = self._starts.pop(0)
        if isinstance(start, RanDeployError):
            raise start
        self.workers.append(Scripted(start, on_end))
        return self.workers[-1]


def facts_of(sha256: str) -> EngineFacts:
    info = SessionInfo(
        engine="e.onnx", sha256=sha256, runtime="r", provider="p", device="cpu", precision="fp32", threads=1, load_s=0
    )
    return EngineFacts(contract=described().contract, info=info, manifest=None, min_batch=1, max_batch=None)


async def scripted_pool(*, workers: int = 1, restarts: int = 5, seen: Remembering | None = None) -> WorkerPool:
    options = HostOptions(workers=workers, restarts=restarts)
    pool = WorkerPool(spec_of(Path("means.onnx")), options, seen or Remembering())
    await pool.start()
    return pool


async def ask(pool: WorkerPool, count: int = 1) -> "list[asyncio.Task[Logits]]":
    asked = [asyncio.ensure_future(pool.run(some_images(1))) for _ in range(count)]
    await settle()
    return asked


def test_batches_go_to_the_least_busy_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, "a", "a")

    async def body() -> None:
        pool = await scripted_pool(workers=2)
        asked = await ask(pool, 3)
        assert [worker.load for worker in script.workers] == [2, 1]
        await script.workers[0].answer()
        await script.workers[0].answer()
        asked += await ask(pool, 1)
        assert [worker.load for worker in script.workers] == [1, 1]
        for worker in script.workers:
            await worker.answer()
        await asyncio.gather(*asked)
        await pool.close()

    asyncio.run(body())


def test_a_batch_that_two_workers_die_of_is_refused_and_those_behind_it_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers_module, "_FIRST_PAUSE_S", 0)
    script = Script(monkeypatch, "a", "a", "a")

    async def body() -> None:
        pool = await scripted_pool()
        poison, innocent = await ask(pool, 2)
        for worker in range(2):
            await script.workers[worker].die()
            await until(lambda worker=worker: len(script.workers) == worker + 2)  # type: ignore[misc]
            await settle()
        with pytest.raises(UnavailableError, match="2 worker processes ended while they computed this batch"):
            await poison
        await script.workers[2].answer()
        await innocent
        await pool.close()

    asyncio.run(body())


def test_workers_that_keep_dying_are_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers_module, "_FIRST_PAUSE_S", 0)
    script = Script(monkeypatch, "a", "a", RanDeployError("no memory"))
    seen = Remembering()

    async def body() -> None:
        pool = await scripted_pool(restarts=2, seen=seen)
        await script.workers[0].die()
        await until(lambda: len(script.workers) == 2)
        waiting = await ask(pool)
        await script.workers[1].die()
        with pytest.raises(
            UnavailableError, match=r"could not be started again \(no memory\), after 3 failures in a row"
        ):
            await waiting[0]
        assert "3 failures" in pool.failure
        with pytest.raises(UnavailableError):
            await pool.run(some_images(1))
        await pool.close()

    asyncio.run(body())
    assert (seen.started, seen.lost) == (2, 2)
    assert [record.getMessage() for record in caplog.records] == ["worker lost"] * 3 + ["worker given up"]


def test_a_worker_whose_engine_fails_is_replaced_and_others_wait_for_it_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(monkeypatch, "a", "a")

    async def body() -> None:
        pool = await scripted_pool()
        refused, broken, waiting = await ask(pool, 3)
        await script.workers[0].answer(UsageError("of another shape"))
        with pytest.raises(UsageError):
            await refused
        assert not script.workers[0].killed, "the request was at fault"
        assert script.workers[0].load == 2, "the third has the room that the first left"
        await script.workers[0].answer(RanDeployError("an illegal address"))
        with pytest.raises(RanDeployError, match="illegal address"):
            await broken
        assert script.workers[0].killed
        await script.workers[0].die()
        await until(lambda: len(script.workers) == 2)
        await settle()
        await script.workers[1].answer()
        await waiting
        await pool.close()

    asyncio.run(body())


def test_a_good_batch_makes_up_for_earlier_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, *["a"] * 5)

    async def body() -> None:
        pool = await scripted_pool(restarts=1)
        for life in range(4):
            asked = await ask(pool)
            await script.workers[life].answer()
            await asked[0]
            await script.workers[life].die()
            await until(lambda life=life: len(script.workers) == life + 2)  # type: ignore[misc]
        assert pool.failure == ""
        await pool.close()

    asyncio.run(body())


def test_a_worker_never_comes_back_with_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, "a", "b")

    async def body() -> None:
        pool = await scripted_pool()
        await script.workers[0].die()
        with pytest.raises(UnavailableError, match=r"means.onnx was replaced while it is served"):
            await pool.run(some_images(1))
        assert not script.workers[1].alive
        await pool.close()

    asyncio.run(body())


def test_workers_that_open_different_files_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, "a", "b")
    with pytest.raises(IntegrityError, match="was replaced"):
        asyncio.run(scripted_pool(workers=2))
    assert [worker.alive for worker in script.workers] == [False, False]


def test_one_worker_that_cannot_start_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, "a", RanDeployError("no memory"))
    with pytest.raises(RanDeployError, match="no memory"):
        asyncio.run(scripted_pool(workers=2))
    assert [worker.alive for worker in script.workers] == [False]
