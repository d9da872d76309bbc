"""The command line as a whole: help, version, exit codes, one JSON document, errors included."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ran_deploy import __version__
from ran_deploy.cli import app
from ran_deploy.cli.app import run
from ran_deploy.errors import GateError

VERBS = (
    *("train", "experiment", "export", "quantize", "build"),
    *("verify", "eval", "bench", "compare", "pareto", "profile", "sensitivity", "inspect"),
    *("predict", "explain", "serve", "archs", "data", "doctor"),
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"ran-deploy {__version__}\n"


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"│ {verb} " in text for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"ran-deploy {verb}" in capsys.readouterr().out.split("Usage:")[1].split("\n", 1)[1]


def test_archs_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["archs", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.archs/v1"
    wanted = {"name", "dataset", "classes", "input_size", "params", "macs", "trunk_depth"}
    assert all(wanted <= set(arch) for arch in document["archs"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["exprot"],
        ["archs", "--jsno"],
        ["export"],
        ["export", "--arch", "att93"],
        ["export", "--arch", "att92", "--dataset", "cifar"],
        ["export", "--arch", "att92", "--atol", "small"],
        ["export", "--arch", "att92", "--checkpoint", "no.safetensors"],
        ["export", "--arch", "att92", "--input", "int4"],
        ["train", "--arch", "att56", "--out", "x", "--data", "no"],
        ["train", "--arch", "att56", "--out", "x", "--recipe", "no.toml", "--dataset", "synthetic"],
        ["quantize", "--onnx", "no.onnx", "--precision", "fp16"],
        ["quantize", "--precision", "fp16"],
        ["build", "--onnx", "no.onnx"],
        ["build"],
        ["verify", "a.onnx", "b.onnx"],
        ["predict", "--engine", "no.onnx", "x.png"],
        ["eval", "--engine", "no.onnx", "--dataset", "synthetic"],
        ["serve", "--engine", "no.onnx", "--port", "0", "--no-grpc", "--workers", "0"],
        ["bench", "--engine", "no.onnx"],
        ["bench", "--engine", "no.xyz"],
        ["profile", "--engine", "no.onnx"],
        ["profile", "--engine", "no.safetensors"],
        ["profile", "--engine", "no.onnx", "--plot", "no.pdf"],
        ["data", "cifar11", "--root", "x"],
    ],
)
def test_wrong_usage_is_code_2_with_a_fix(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    if arguments not in (["export"], ["build"]) or captured.out.startswith("{"):
        document = json.loads(captured.out)
        assert document["schema"] == "ran-deploy.error/v1"
        assert document["error"]["exit_code"] == 2
        assert document["error"]["fix"]
    assert "Traceback" not in captured.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predct", "--engine", "x.onnx"], "error: No such command 'predct'. Did you mean 'predict'"),
        (["--nonsense"], "error: No such option: --nonsense"),
    ],
)
def test_the_fix_for_an_unknown_verb_is_a_command_that_works(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    error, fix = capsys.readouterr().err.splitlines()
    assert error.startswith(says)
    assert fix == "  fix: See: ran-deploy --help"


@pytest.mark.parametrize("given", [[], ["--precision", "fp8"]])
def test_what_may_be_chosen_is_one_line(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "--onnx", "x.onnx", *given]) == 2
    error, fix = capsys.readouterr().err.splitlines()
    assert "fp16" in error
    assert "int8" in error
    assert "Value error" not in error
    assert fix == "  fix: See: ran-deploy quantize --help"


def test_an_unexpected_failure_is_code_1_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(app, "app", fail)
    assert run(["archs"]) == 1
    assert capsys.readouterr().err.startswith("error: ran-deploy failed inside: ZeroDivisionError: boom")
    run(["--debug", "archs"])
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_pipe_inside_is_not_taken_for_a_reader_that_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError("a worker's")

    monkeypatch.setattr("ran_deploy.arch.count.list_archs", fail)
    for stream in ("stdout", "stderr"):  # typer wraps them
        monkeypatch.setattr(sys, stream, getattr(sys, stream))
    assert run(["archs"]) == 1
    assert capsys.readouterr().err.startswith("error: ran-deploy failed inside: BrokenPipeError: a worker's")


def test_details_of_a_gate_are_in_the_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise GateError("Parity failed.", fix="Look.", details={"max_abs": 0.5})

    monkeypatch.setattr(app, "app", fail)
    assert run(["export", "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["details"] == {"max_abs": 0.5}
    assert captured.err == "error: Parity failed.\n  fix: Look.\n"


def test_ctrl_c_is_code_130_and_leaves_a_resumable_run(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("epochs = 5000\nbatch = 16\nvalidation = 10\nsizes = [[0.0, 8]]\n")
    command = [sys.executable, "-m", "ran_deploy", "train", "--arch", "att56", "--dataset", "synthetic"]
    command += ["--images", "40", "--option", "t=1", "--recipe", str(recipe), "--out", str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(app.__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not metrics.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.endswith(".tmp")]


def test_an_experiment_needs_no_folder_and_makes_none_for_a_misspelled_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["experiment", "columbai", "--budget", "20m"]) == 2
    assert "columbia" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
