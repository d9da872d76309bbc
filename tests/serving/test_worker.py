"""One worker process: how it starts, how it fails, how it ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.serving.spec import ModelSpec
from ran_deploy.serving.worker import Order, Worker
from tests.serving.by_hand import settle, until
from tests.serving.tiny import means_of, save_engine, some_images


def order(path: Path, max_batch: int = 4) -> Order:
    return Order(spec=ModelSpec(name="means", path=path, version="1"), threads=1, max_batch=max_batch)


def test_an_engine_that_cannot_be_opened_says_why_as_open_engine_does(tmp_path: Path) -> None:
    damaged = save_engine(tmp_path / "damaged.onnx")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    unknown = save_engine(tmp_path / "unknown.onnx", manifest=False)
    cases: list[tuple[Path, type[RanDeployError], str]] = [
        (tmp_path / "absent.onnx", UsageError, "does not exist"),
        (damaged, IntegrityError, "is not the file that its manifest describes"),
        (unknown, UsageError, "has no manifest beside it"),
    ]

    async def refusal(path: Path) -> RanDeployError:
        with pytest.raises(RanDeployError) as caught:
            await Worker.start(order(path))
        return caught.value

    async def body() -> list[RanDeployError]:
        return await asyncio.gather(*(refusal(path) for path, _, _ in cases))

    for error, (_, kind, words) in zip(asyncio.run(body()), cases, strict=True):
        assert type(error) is kind
        assert words in error.message
        assert error.fix


def test_a_worker_that_ends_before_its_engine_is_open_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(RanDeployError, match="ended before its engine was open"):
        asyncio.run(Worker.start(order(tmp_path / "absent.onnx")))


def test_a_process_that_cannot_be_started_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(RanDeployError, match="A worker process cannot be started: No such file"):
        asyncio.run(Worker.start(order(tmp_path / "absent.onnx")))


def test_a_worker_that_is_cancelled_while_it_starts_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    spawn = subprocess.Popen

    def remember(*arguments: Any, **more: Any) -> "subprocess.Popen[bytes]":
        process = spawn(*arguments, **more)
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", remember)

    async def body() -> None:
        starting = asyncio.ensure_future(Worker.start(order(save_engine(tmp_path / "means.onnx"))))
        await until(lambda: bool(started))
        await settle()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(body())
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_a_worker_that_fails_to_compute_says_so_and_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        worker = await Worker.start(order(save_engine(tmp_path / "fixed.onnx", batch=2)))
        try:
            assert (worker.facts.min_batch, worker.facts.max_batch) == (2, 2)
            with pytest.raises(UsageError, match=r"is \[3 × 4 × 4 × 3\]; this engine takes \[2 × 4 × 4 × 3\]"):
                await worker.run(some_images(3))
            np.testing.assert_allclose(await worker.run(some_images(1)), means_of(some_images(1)), rtol=1e-6)
        finally:
            await worker.close()

    asyncio.run(body())
