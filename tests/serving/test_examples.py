"""The examples of serve/python, run as their README says."""

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.preprocess import load_image
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.predict import best_guesses
from tests.serving.tiny import save_engine

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "serve" / "python"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_engine(tmp_path_factory.mktemp("examples") / "means.onnx", scale=0.1)


@pytest.fixture(scope="module")
def images(engine: Path) -> list[Path]:
    files = []
    for index, colour in enumerate(("red", "lime", "blue")):
        files.append(engine.with_name(f"{index}.png"))
        Image.new("RGB", (6, 5), colour).save(files[-1])
    return files


def run(example: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_an_engine_inside_a_program(engine: Path, images: list[Path]) -> None:
    done = run("classify.py", engine, *images)
    assert done.stdout.splitlines() == [
        f"{file}: {label} 100.0%, {rest} 0.0%"
        for file, label, rest in zip(
            images,
            ("red", "green", "blue"),
            ("green 0.0%, blue", "red 0.0%, blue", "red 0.0%, green"),
            strict=True,
        )
    ]
    assert done.stderr == ""


def test_a_program_that_gives_no_image_is_told_so(engine: Path) -> None:
    done = run("classify.py", engine, engine)
    assert done.returncode == 1
    assert "is not an image of a known format" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_without_images_says_what_it_takes(engine: Path) -> None:
    for arguments in ((), (engine,)):
        done = run("classify.py", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "usage: python classify.py ENGINE IMAGE...\n"


def test_engines_in_worker_processes(engine: Path, images: list[Path]) -> None:
    done = run("workers.py", engine, *images)
    lines = [f"{file}: {label} 100.0%" for file, label in zip(images, ("red", "green", "blue"), strict=True)]
    assert (done.stdout.splitlines(), done.stderr) == (lines, "")


def test_the_fastapi_service(engine: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    assert len((EXAMPLES / "fastapi_service.py").read_text().splitlines()) < 40
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "fastapi_service:app"]
    service = subprocess.Popen(
        command,
        env={**ENVIRONMENT, "ENGINE": str(engine)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert service.stderr is not None
    try:
        port = next(int(found[1]) for line in service.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        check_service(port, engine)
        service.send_signal(signal.SIGTERM)
        rest = service.stderr.read()
        assert "Application shutdown complete" in rest
        assert "Traceback" not in rest
    finally:
        service.kill()
        service.stderr.close()
        service.wait()


def check_service(port: int, engine: Path) -> None:
    files = [png(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda data: post(port, "/classify?top=2", data), files))
    with open_engine(engine) as session:
        rule = session.contract.preprocessing
        pixels = []
        for data in files:
            path = engine.with_name("sent.png")
            path.write_bytes(data)
            pixels.append(load_image(path, rule))
        expected = best_guesses(session.run(np.stack(pixels)), session.contract.labels, 2)
    for (status, answer), best in zip(answers, expected, strict=True):
        assert status == 200
        assert [(guess["label"], guess["index"]) for guess in answer] == [(guess.label, guess.index) for guess in best]
        assert [guess["probability"] for guess in answer] == pytest.approx([guess.probability for guess in best])
    status, answer = post(port, "/classify", b"no image")
    assert status == 400
    assert "is not an image of a known format" in answer["error"]


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def post(port: int, path: str, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
