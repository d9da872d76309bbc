"""The program ``classify``: what it prints, and how it fails."""

import subprocess
from pathlib import Path

import pytest

from ran_deploy.cli.app import run
from tests.serve_cpp.building import SAMPLES, Built, clean_environment


@pytest.fixture(autouse=True)
def parts(built: Built) -> None:
    built.require("onnxruntime", "JPEG")


def test_prints_what_ran_deploy_predict_prints(built: Built, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--engine", str(network), "--top", "3", "--threads", "1", "--batch", "1"]
    assert run(["predict", *arguments, *map(str, SAMPLES)]) == 0
    done = built.run("classify", network, *SAMPLES, "--top", "3", "--threads=1")
    assert done.stdout.decode() == capsys.readouterr().out
    assert done.stderr == b""


def test_the_top_five(built: Built, engine: Path) -> None:
    lines = built.run("classify", engine, SAMPLES[0]).stdout.decode().splitlines()
    assert lines[0].split() == ["file", "class", "probability"]
    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1, "aligned, umlauts or not"


def test_help_and_version(built: Built) -> None:
    assert b"--ort-library PATH" in built.run("classify", "--help").stdout
    assert b"back ends: " in built.run("classify", "--version").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "The engine is missing."),
        (["ENGINE"], 2, "The image is missing."),
        (["ENGINE", "IMAGE", "--top", "0"], 2, "--top is '0'"),
        (["ENGINE", "IMAGE", "--top", "5x"], 2, "--top is '5x'"),
        (["ENGINE", "IMAGE", "--top"], 2, "--top lacks its value"),
        (["ENGINE", "IMAGE", "--fast"], 2, "There is no option --fast"),
        (["ENGINE", "IMAGE", "--runtime", "cuda"], 2, "expected one of auto, onnxruntime"),
        (["ENGINE", "IMAGE", "--runtime", "tensorrt"], 2, "takes plans"),
        (["gone.onnx", "IMAGE"], 2, "does not exist"),
        (["IMAGE", "IMAGE"], 2, "ends in '.jpg'"),
        (["FOLDER", "IMAGE"], 2, "is a folder; the engine must be a file"),
        (["ENGINE", "FOLDER"], 2, "is a folder; the image must be a file"),
        (["ENGINE", "gone.png"], 2, "does not exist"),
        (["ENGINE", "ENGINE"], 5, "not an image of a known format"),
        (["ENGINE", "IMAGE", "--ort-library", "/nowhere/x.so"], 6, "cannot be loaded: /nowhere/x.so"),
        (["ENGINE", "IMAGE", "--ort-library", "libc.so.6"], 6, "is not ONNX Runtime"),
    ],
)
def test_refusals(built: Built, engine: Path, arguments: list[str], code: int, said: str) -> None:
    names = {"ENGINE": engine, "IMAGE": SAMPLES[0], "FOLDER": engine.parent}
    done = built.run("classify", *(names.get(word, word) for word in arguments), code=code)
    assert done.stdout == b""
    first, *rest = done.stderr.decode().splitlines()
    assert first.startswith("error: ")
    assert said in first
    assert all(line.startswith("  fix: ") for line in rest)
    assert len(rest) <= 1


def test_the_environment_names_the_library(built: Built, engine: Path) -> None:
    command = [str(built.folder / "classify"), str(engine), str(SAMPLES[0])]
    environment = clean_environment() | {"RAN_DEPLOY_ORT_LIBRARY": "/nowhere/x.so"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == 6
    assert b"RAN_DEPLOY_ORT_LIBRARY" in done.stderr
