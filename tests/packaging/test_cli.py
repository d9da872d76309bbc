"""``ran-deploy package`` as a user types it: what is printed, where, and with which exit code."""

import json
import shutil
from pathlib import Path

import pytest

from ran_deploy.cli.app import run
from ran_deploy.packaging.lint_view import read_config
from ran_deploy.packaging.record import RECORD

pytest.importorskip("tritonclient.grpc", reason="Triton's schema comes with tritonclient")


def test_a_triton_repository(engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["package", "--engine", str(engine), "--format", "triton", "--out", str(tmp_path / "out")]
    options = ["--max-batch", "8", "--preferred-batch", "4,8", "--instances", "2", "--queue-size", "9", "--name", "m"]
    assert run([*command, *options]) == 0
    text = capsys.readouterr().out
    assert "m  onnxruntime, batches up to 8; version 1: small.onnx" in text
    config = read_config((tmp_path / "out" / "m" / "config.pbtxt").read_text())
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 9
    assert run([*command, *options]) == 2
    assert "is a package already" in capsys.readouterr().err
    assert run([*command, "--json", "--force"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.package/v1"
    assert document["format"] == "triton"
    assert RECORD in [file["path"] for file in document["files"]]


def test_the_check(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["package", "--check", str(repository)]) == 0
    assert "1 model (small): 0 errors, 0 warnings" in capsys.readouterr().out
    broken = Path(shutil.copytree(repository, tmp_path / "broken"))
    (broken / "small" / "labels.txt").unlink()
    assert run(["package", "--check", str(broken), "--json"]) == 3
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["schema"] == "ran-deploy.package-check/v1"
    assert [finding["rule"] for finding in document["findings"]] == ["labels"]
    assert "Triton would refuse" in said.err
    assert run(["package", "--check", str(broken)]) == 3
    assert "fix: Restore it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "triton", "--out", "x"], "needs --engine"),
        (["--engine", "ENGINE", "--out", "x"], "needs --format"),
        (["--engine", "ENGINE", "--format", "triton"], "needs --out"),
        (["--engine", "absent.onnx", "--format", "triton", "--out", "x"], "does not exist"),
        (["--engine", "ENGINE", "--format", "triton", "--out", "x", "--gpus", "a"], "--gpus is 'a'"),
        (
            ["--engine", "ENGINE", "--format", "docker", "--out", "x", "--instances", "2"],
            "Options for triton do not go",
        ),
        (
            ["--engine", "ENGINE", "--format", "archive", "--out", "x.ran", "--runtime", "openvino"],
            "--runtime does not",
        ),
        (["--engine", "ENGINE", "--format", "archive", "--out", "x.ran", "--name", "m"], "Options for name do not go"),
        (["--engine", "ENGINE", "--engine", "ENGINE", "--format", "archive", "--out", "x.ran"], "holds one engine"),
        (["--engine", "ENGINE", "--format", "kserve", "--out", "x"], "Give --storage-uri"),
        (
            ["--engine", "ENGINE", "--format", "triton", "--out", "x", "--cpu", "2"],
            "An option of KServe is given (cpu)",
        ),
        (["--check", "x", "--out", "y"], "does not go with --engine or --out"),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    message: str,
    engine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["package", *(str(engine) if word == "ENGINE" else word for word in arguments)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
