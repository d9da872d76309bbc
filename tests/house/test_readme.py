"""The README's commands run as they are written, in order, in one folder."""

import os
import re
import shlex
from pathlib import Path

import pytest

from ran_deploy.cli.app import run

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()


def block(language: str) -> str:
    """Return the only fenced block whose opening line is ``language``."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(found)


def run_all(commands: str) -> None:
    for line in commands.splitlines():
        name, *arguments = shlex.split(line)
        assert name == "ran-deploy"
        assert run(arguments) == 0, line


def test_the_commands_that_need_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    commands = block("sh")
    run_all(commands.replace("--batch 1,64", "--batch 1,64 --duration 0.2"))
    names = {path.name for path in tmp_path.iterdir()}
    assert {"att92.onnx", "att92_fp16.onnx", "att92_fp16.plan"} <= names
    output = capsys.readouterr().out
    assert "images/s" in output
    exec(compile(block("python"), "README.md", "exec"), {})
    assert capsys.readouterr().out == "ship\n"


@pytest.mark.slow
@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="needs CIFAR-10: set RAN_DEPLOY_DATA")
def test_the_commands_that_need_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    run_all("\n".join(block("sh").splitlines()[:2]))
    run_all(block("sh data").replace("DIR", os.environ["RAN_DEPLOY_DATA"]))


def test_every_command_named_in_the_table_exists(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    text = capsys.readouterr().out
    for verb in re.findall(r"^\| `([a-z]+)(?: [^|`]*)?` \|", README, re.MULTILINE):
        assert f"│ {verb} " in text, verb
