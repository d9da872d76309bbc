"""``ran-deploy deploy``: what it prints, where, and with which exit code."""

import io
import json
from typing import Any

import pytest

from ran_deploy.cli.app import run
from ran_deploy.cli.deploy_view import StageView
from ran_deploy.deploying.result import StageRecord
from ran_deploy.deploying.stage import Decision
from tests.deploying.small_deployment import make_source

FAST = (
    *("--dataset", "synthetic", "--precisions", "fp32,fp16", "--runtimes", "onnxruntime", "--eval-limit", "8"),
    *("--batches", "1,2", "--duration", "0", "--threads", "1", "--no-layers"),
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("cli")
    request = make_source(folder / "source")
    return ["deploy", "--onnx", str(request.onnx), "--out", str(folder / "out"), *FAST]


@pytest.fixture(scope="module")
def first(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        code = run(words)
    return code, out.getvalue(), err.getvalue()


def test_a_person_reads_stages_and_at_last_one_sentence(first: tuple[int, str, str]) -> None:
    code, out, err = first
    assert code == 0, err
    *_, last = out.splitlines()
    assert last.startswith("Deploy ")
    assert "top-1" in last
    assert " Next: ran-deploy serve --engine " in last
    assert "  import                       runs (1/8)\n" in err
    assert "✓ import " in err
    assert "✓ report " in err


def test_the_same_again_has_nothing_to_do(
    first: tuple[int, str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert first[0] == 0
    assert run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["schema"] == "ran-deploy.deploy/v1"
    assert document["ran"] == []
    assert document["result"]["recommendation"]["sentence"]
    assert "= pareto " in err
    assert run(words) == 0
    assert "nothing to do: every stage was done before" in capsys.readouterr().out


def test_a_plan_runs_nothing_and_says_why(
    first: tuple[int, str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert first[0] == 0
    assert run([*words, "--eval-limit", "6", "--dry-run", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "accuracy-fp16-onnxruntime  would run  eval_limit: 8 → 6" in out
    assert "eval_limit: command line" in out
    assert "nothing was written" in out
    assert run([*words, "--dry-run", "--json", "--profile", "cpu_avx2", "--slo-ms", "9"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.deploy-plan/v1"
    assert document["origins"]["load.slo_ms"] == "command line"
    assert document["origins"]["load.slo_percentile"] == "profile cpu_avx2.toml"


def test_exit_code_3_when_nothing_holds_what_was_asked_for(
    first: tuple[int, str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert first[0] == 0
    assert run([*words, "--slo-ms", "0.000001", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["result"]["recommendation"]["variant"] is None  # one document, with everything in it
    assert "error: None of the 2 engines asked for can be recommended." in err
    assert run(words) == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--max-drop", "fp8=1"), "--max-drop names 'fp8'"),
        (("--max-drop", "much"), "--max-drop is 'much'"),
        (("--precisions", "fp8"), "'fp8'; expected one of"),
        (("--batches", "1,x"), "--batches is '1,x'"),
        (("--profile", "cpu_avx"), "no deployment profile cpu_avx"),
        (("--arch", "att92"), "either --arch or --onnx"),
        (("--runtimes", "onnxruntime,onnxruntime"), "runtimes are onnxruntime, onnxruntime"),
        (("--targets", "sm89"), "no runtime takes any"),
    ],
)
def test_mistakes(words: list[str], extra: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, *extra]) == 2
    assert message in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    view = StageView(explain=False)
    decision = Decision(stage="int8", kind="int8", action="run", why="it has not been done yet")
    view.begin(decision, 3, 9)
    held: Any = sys.stderr
    assert held is not terminal
    held.write("\rcalibrate · 45% · 3 s left")
    assert "calibrate · 45% · 3 s left" in terminal.getvalue()
    held.write("\rwarning: something\n")
    assert "\x1b[K  warning: something\n" in terminal.getvalue()
    assert held.isatty()
    record = StageRecord(name="int8", kind="int8", status="rejected", reason="too far", key="", inputs={}, seconds=2)
    view.end(decision, record)
    assert sys.stderr is terminal
    assert terminal.getvalue().endswith("\x1b[31m✗\x1b[0m int8                              2.0 s  rejected: too far\n")
    view.stop()  # again does nothing
    assert all(len(line.rpartition("\r")[2]) < 120 for line in terminal.getvalue().split("\n")[:-1])
