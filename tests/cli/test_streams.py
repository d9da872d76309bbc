"""What becomes of a command whose standard streams are closed, full, or left by their reader."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ran_deploy

COMMAND = [sys.executable, "-m", "ran_deploy"]
REFUSED = ["predict", "--engine", "x.onnx", "ü.png"]
SAYS = "error: The image ü.png does not exist.\n  fix: "


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(ran_deploy.__file__).parents[1]), "PYTHONIOENCODING": "utf-8", **more}


@pytest.fixture
def left_pipe() -> int:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_reader_that_left_stdout_changes_no_exit_code(left_pipe: int) -> None:
    for arguments, code in ((["--help"], 0), ([*REFUSED, "--json"], 2)):
        ran = subprocess.run(
            [*COMMAND, *arguments], stdout=left_pipe, stderr=subprocess.PIPE, env=environment(), check=False
        )
        assert ran.returncode == code, ran.stderr
        assert ran.stderr.decode().startswith(SAYS if code else ""), ran.stderr
        assert len(ran.stderr.splitlines()) == code, ran.stderr


def test_a_reader_that_left_stderr_changes_no_exit_code(left_pipe: int) -> None:
    command = [*COMMAND, *REFUSED, "--json"]
    ran = subprocess.run(command, stderr=left_pipe, stdout=subprocess.PIPE, env=environment(), check=False)
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["error"]["exit_code"] == 2


@pytest.mark.parametrize(("closed", "code", "printed"), [("1>&-", 0, ""), ("0<&- 2>&-", 0, ran_deploy.__version__)])
def test_closed_streams_lead_nowhere(closed: str, code: int, printed: str) -> None:
    command = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "--version"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert ran.returncode == code, ran.stderr
    assert printed in ran.stdout
    assert ran.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--version"], "error: The disk is full; stdout was not written.\n  fix: "), ([*REFUSED, "--json"], SAYS)],
)
def test_a_result_that_cannot_be_written_is_an_error(arguments: list[str], says: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert ran.returncode == 2
    assert ran.stderr.startswith(says)
    assert len(ran.stderr.splitlines()) == 2


def test_a_terminal_without_the_letter_gets_its_number() -> None:
    plain = environment(PYTHONIOENCODING="ascii:strict", PYTHONUTF8="1")
    ran = subprocess.run([*COMMAND, *REFUSED], capture_output=True, text=True, env=plain, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(SAYS.replace("ü", "\\xfc"))
