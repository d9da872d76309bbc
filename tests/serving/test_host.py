"""Several models behind one host: in a thread where nothing else matters, in worker processes where it does."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.preprocess import load_images
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.manifest import DYNAMIC
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.predict import best_guesses
from ran_deploy.serving import backend
from ran_deploy.serving.engine import ServedEngine
from ran_deploy.serving.errors import DeadlineError, NotFoundError, QueueFullError, UnavailableError
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.serving.by_hand import Remembering, settle, until
from tests.serving.tiny import means_of, save_engine, some_images

IN_THREAD = HostOptions(workers=0, max_batch=8, max_delay_s=0.0)


def serve(
    body: Callable[[ModelHost], Coroutine[Any, Any, None]], *engines: str, options: HostOptions = IN_THREAD
) -> dict[tuple[str, str], Remembering]:
    """Run a test on a host of engines; return what each model's observer saw."""
    seen: dict[tuple[str, str], Remembering] = {}

    def observe(name: str, version: str) -> Remembering:
        return seen.setdefault((name, version), Remembering())

    async def run() -> None:
        async with ModelHost([ModelSpec.parse(text) for text in engines], options, observe=observe) as host:
            await body(host)

    asyncio.run(run())
    return seen


def jpeg(seed: int = 0, size: tuple[int, int] = (9, 7)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def test_each_model_and_version_answers_for_itself(tmp_path: Path) -> None:
    one, two = save_engine(tmp_path / "one.onnx"), save_engine(tmp_path / "two.onnx", scale=2)

    async def body(host: ModelHost) -> None:
        images = some_images(3)
        for name, version, scale in (("a", "1", 1), ("a", "10", 2), ("a", None, 2), ("two", None, 2)):
            logits = await host.infer(name, version, images)
            np.testing.assert_allclose(logits, means_of(images, scale), rtol=1e-6)
        assert [(status.name, status.version, status.state) for status in host.models()] == [
            ("a", "10", "ready"),
            ("a", "1", "ready"),
            ("two", "1", "ready"),
        ]
        assert host.metadata("a").versions == ("1", "10")
        assert host.live()
        assert host.ready()
        assert host.ready("a", "1")
        assert host.workers("a") == ()
        for ask in (lambda: host.ready("b"), lambda: host.metadata("b"), lambda: host.metadata("a", "3")):
            with pytest.raises(NotFoundError):
                ask()
        with pytest.raises(NotFoundError, match=r"There is no model '\.\./a'"):
            await host.infer("../a", None, images)
        with pytest.raises(NotFoundError, match="a has no version '3'"):
            await host.infer("a", "3", images)

    seen = serve(body, f"a@10={two}", f"a@1={one}", str(two))
    assert [images for images, _ in seen["a", "10"].answers] == [3, 3]
    assert [images for images, _ in seen["a", "1"].answers] == [3]


def test_the_metadata_is_the_manifests(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx", batch=2)

    async def body(host: ModelHost) -> None:
        found = host.metadata("means")
        assert (found.name, found.version, found.versions) == ("means", "1", ("1",))
        assert found.platform == "onnxruntime_onnx"
        assert found.labels == ("red", "green", "blue")
        assert found.manifest is not None
        assert found.sha256 == found.manifest.sha256 == found.info.sha256
        assert found.contract.input.shape == (DYNAMIC, 4, 4, 3)
        assert found.contract.output.shape == (DYNAMIC, 3)
        assert found.max_batch == 2
        # The engine takes two images, the service any number.
        for count in (1, 2, 5):
            images = some_images(count)
            np.testing.assert_allclose(await host.infer("means", None, images), means_of(images), rtol=1e-6)

    serve(body, str(path))


def test_images_that_break_the_contract_are_refused(tmp_path: Path) -> None:
    async def body(host: ModelHost) -> None:
        with pytest.raises(UsageError, match="is float32; this engine takes uint8"):
            await host.infer("means", None, some_images(1).astype(np.float32))
        with pytest.raises(UsageError, match=r"is \[1 × 5 × 4 × 3\]"):
            await host.infer("means", None, np.zeros((1, 5, 4, 3), np.uint8))
        with pytest.raises(UsageError, match="at least one image"):
            await host.infer("means", None, some_images(0))
        with pytest.raises(UsageError, match="9 images; expected 1 to 8"):
            await host.infer("means", None, some_images(9))
        with pytest.raises(DeadlineError):
            await host.infer("means", None, some_images(1), deadline=time.monotonic())

    options = HostOptions(workers=0, queue=8, max_delay_s=0)
    serve(body, str(save_engine(tmp_path / "means.onnx")), options=options)


def test_encoded_images_are_classified_as_the_bare_session_does(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx", scale=0.01)
    files = []
    for seed in range(3):
        files.append(tmp_path / f"{seed}.jpg")
        files[-1].write_bytes(jpeg(seed))
    with open_engine(path) as session:
        contract, sha256 = session.contract, session.info.sha256
        expected = best_guesses(session.run(load_images(files, contract.preprocessing)), contract.labels, 2)

    async def body(host: ModelHost) -> None:
        found = await host.classify("means", None, [file.read_bytes() for file in files], top=2)
        assert (found.name, found.version, found.sha256) == ("means", "1", sha256)
        for mine, theirs in zip(found.predictions, expected, strict=True):
            assert [(guess.label, guess.index) for guess in mine] == [(guess.label, guess.index) for guess in theirs]
            assert [guess.probability for guess in mine] == pytest.approx([guess.probability for guess in theirs])
        assert found.decode_s > 0
        assert found.infer_s > 0
        assert len((await host.classify("means", None, [jpeg()], top=99)).predictions[0]) == 3

    serve(body, str(path))


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    gif = io.BytesIO()
    Image.new("RGB", (4, 4)).save(gif, "GIF")

    async def body(host: ModelHost) -> None:
        for data in (b"", b"no image", jpeg()[:200], gif.getvalue()):
            with pytest.raises(IntegrityError, match="image 2 of 2"):
                await host.classify("means", None, [jpeg(), data])
        with pytest.raises(UsageError, match="the image has 20×20 pixels; at most 100 are read"):
            await host.classify("means", None, [jpeg(size=(20, 20))])
        with pytest.raises(UsageError, match="0 images; expected 1 to 4"):
            await host.classify("means", None, [])
        with pytest.raises(UsageError, match="top is 0"):
            await host.classify("means", None, [jpeg()], top=0)
        results = await asyncio.gather(
            *(host.classify("means", None, [jpeg()] * 4) for _ in range(3)), return_exceptions=True
        )
        assert isinstance(results[-1], QueueFullError)
        assert not isinstance(results[0], BaseException)

    options = HostOptions(workers=0, max_pixels=100, queue=4, max_delay_s=0)
    serve(body, str(save_engine(tmp_path / "means.onnx")), options=options)


def test_an_engine_that_computes_nonsense_is_not_served(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx", scale=float("inf"))
    with pytest.raises(GateError, match="not finite in its first run"):
        serve(nothing, str(path))


async def nothing(host: ModelHost) -> None:
    pass


def test_one_engine_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    good = save_engine(tmp_path / "means.onnx")
    with pytest.raises(UsageError, match=r"absent.onnx does not exist"):
        serve(nothing, str(good), str(tmp_path / "absent.onnx"))
    with pytest.raises(UsageError, match="no model to serve"):
        ModelHost([])


def test_requests_that_come_while_a_model_loads_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def open_late(spec: ModelSpec, threads: int | None) -> ServedEngine:
        go_on.wait()
        return ServedEngine(spec, threads)

    monkeypatch.setattr(backend, "ServedEngine", open_late)

    async def body() -> None:
        host = ModelHost([ModelSpec.parse(str(save_engine(tmp_path / "means.onnx")))], IN_THREAD)
        starting = asyncio.ensure_future(host.start())
        await settle()
        assert host.live()
        assert not host.ready()
        assert not host.ready("means")
        assert [status.state for status in host.models()] == ["loading"]
        with pytest.raises(UnavailableError, match="It is being loaded"):
            await host.infer("means", None, some_images(1))
        with pytest.raises(UnavailableError):
            host.metadata("means")
        go_on.set()
        await starting
        assert host.ready()
        await host.close()
        await host.close()
        assert not host.live()
        with pytest.raises(UnavailableError, match="is stopping"):
            await host.infer("means", None, some_images(1))

    asyncio.run(body())


def test_a_model_is_unloaded_and_loaded(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body(host: ModelHost) -> None:
        asked = asyncio.ensure_future(host.infer("means", None, some_images(2)))
        await asyncio.sleep(0)  # admitted
        await host.unload("means")
        np.testing.assert_allclose(await asked, means_of(some_images(2)), rtol=1e-6)
        assert [status.state for status in host.models()] == ["unloaded"]
        assert host.ready(), "what was unloaded on purpose is not missed"
        assert not host.ready("means")
        with pytest.raises(UnavailableError, match="It was unloaded"):
            await host.infer("means", None, some_images(1))
        with pytest.raises(UnavailableError):
            await host.reload("means")
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(IntegrityError):
            await host.load("means")
        assert "is not the file that its manifest describes" in host.models()[0].reason
        path.write_bytes(whole)
        await host.load("means")
        await host.load("means")
        assert host.ready("means")
        await host.infer("means", None, some_images(1))
        for change in (host.load, host.unload, host.reload):
            with pytest.raises(NotFoundError):
                await change("other")

    serve(body, str(path))


def test_a_reload_under_load_loses_no_request(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body(host: ModelHost) -> None:
        answered = asyncio.Event()
        scales: list[list[int]] = [[] for _ in range(8)]

        async def client(place: int) -> None:
            while not stopping:
                images = some_images(2, seed=len(scales[place]))
                logits = await host.infer("means", None, images)
                scale = round(float(logits.sum() / means_of(images).sum()))
                np.testing.assert_allclose(logits, means_of(images, scale), rtol=1e-5)
                scales[place].append(scale)
                answered.set()

        stopping = False
        clients = [asyncio.ensure_future(client(place)) for place in range(8)]
        await answered.wait()
        before = host.metadata("means")
        save_engine(path, scale=2)
        after = await host.reload("means")
        assert after.sha256 != before.sha256
        new = len(scales[0])
        await until(lambda: len(scales[0]) > new)
        stopping = True
        await asyncio.gather(*clients)
        for found in scales:
            assert found == sorted(found), "once the new one answers, the old one does not any more"
        assert {1, 2} == {scale for found in scales for scale in found}

    serve(body, str(path), options=HostOptions(workers=1, max_batch=8, max_delay_s=0.0))


def test_a_reload_that_fails_leaves_the_old_one_serving(tmp_path: Path) -> None:
    path = save_engine(tmp_path / "means.onnx")

    async def body(host: ModelHost) -> None:
        before = host.metadata("means")
        whole = path.read_bytes()
        save_engine(path, scale=float("nan"))
        with pytest.raises(GateError, match="not finite"):
            await host.reload("means")
        path.write_bytes(whole)
        with pytest.raises(IntegrityError):
            await host.reload("means")
        assert host.metadata("means") == before
        assert host.ready("means")
        np.testing.assert_allclose(await host.infer("means", None, some_images(1)), means_of(some_images(1)), rtol=1e-6)

    serve(body, str(path))


def test_draining_answers_all_that_was_accepted(tmp_path: Path) -> None:
    async def body(host: ModelHost) -> None:
        asked = [asyncio.ensure_future(host.infer("means", None, some_images(1, seed))) for seed in range(20)]
        asked += [asyncio.ensure_future(infer_of(host))]
        await asyncio.sleep(0)
        await host.drain()
        assert not host.ready()
        assert host.live()
        with pytest.raises(UnavailableError, match="is stopping"):
            await host.infer("means", None, some_images(1))
        with pytest.raises(UnavailableError):
            await host.reload("means")
        assert all(task.done() for task in asked)
        for seed, answer in enumerate(await asyncio.gather(*asked[:-1])):
            np.testing.assert_allclose(answer, means_of(some_images(1, seed)), rtol=1e-6)

    async def infer_of(host: ModelHost) -> np.ndarray:
        await host.classify("means", None, [jpeg()])
        return some_images(1)

    serve(body, str(save_engine(tmp_path / "means.onnx")))


def test_a_model_whose_workers_keep_dying_says_so_until_it_is_reloaded(tmp_path: Path) -> None:
    async def body(host: ModelHost) -> None:
        (pid,) = host.workers("means")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: host.models()[0].state == "unavailable")
        assert "ended with status -9, after 1 failures in a row" in host.models()[0].reason
        assert not host.ready()
        assert host.metadata("means").labels
        with pytest.raises(UnavailableError, match="means cannot answer: a worker process ended"):
            await host.infer("means", None, some_images(1))
        await host.reload("means")
        assert host.ready()
        await host.infer("means", None, some_images(1))

    options = HostOptions(workers=1, restarts=0, max_delay_s=0)
    seen = serve(body, str(save_engine(tmp_path / "means.onnx")), options=options)
    assert (seen["means", "1"].started, seen["means", "1"].lost) == (2, 1)


def test_closing_at_once_refuses_what_is_in_flight(tmp_path: Path) -> None:
    async def body(host: ModelHost) -> None:
        (pid,) = host.workers("means")
        os.kill(pid, signal.SIGSTOP)
        asked = [asyncio.ensure_future(host.infer("means", None, some_images(8))) for _ in range(4)]
        await settle()
        closing = asyncio.ensure_future(host.close())
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(result) for result in results} == {UnavailableError}
        os.kill(pid, signal.SIGCONT)
        await closing

    options = HostOptions(workers=1, max_batch=8, max_delay_s=0)
    serve(body, str(save_engine(tmp_path / "means.onnx")), options=options)


def test_serving_needs_no_torch_and_the_host_itself_no_runtime() -> None:
    script = (
        "import sys; sys.modules['torch'] = None;"
        "import ran_deploy.serving.host, ran_deploy.serving.worker_main;"
        "print(*({'onnx', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
