"""Running stages: what becomes of errors and warnings, and of an interruption."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.deploying.folder import read_record
from ran_deploy.deploying.result import StageRecord
from ran_deploy.deploying.runner import preview, run_stages
from ran_deploy.deploying.stage import Decision, Outcome, Stage
from ran_deploy.errors import GateError, MissingError, UsageError
from ran_deploy.files import write_text


class Diary:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, decision: Decision, place: int, total: int) -> None:
        self.lines.append(f"begin {decision.stage} {place}/{total}")

    def end(self, decision: Decision, record: StageRecord) -> None:
        self.lines.append(f"{record.status} {record.name}")


def writes(folder: Path, name: str, *parents: str, kind: str = "fp16", error: BaseException | None = None) -> Stage:
    def run(done: Mapping[str, StageRecord]) -> Outcome:
        assert set(parents) <= set(done)
        sys.stderr.write(f"progress 10%\rprogress 20%\nwarning: {name} is odd\nwarning: {name} is odd\nplain\n")
        if error is not None:
            raise error
        write_text(folder / name, name)
        return Outcome(paths=(folder / name,), summary=f"made {name}")

    return Stage(name=name, kind=kind, parents=parents, inputs={"x": "1"}, run=run)  # type: ignore[arg-type]


def test_variants_that_fail_do_not_lose_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = [
        writes(tmp_path, "source", kind="export"),
        writes(tmp_path, "refused", "source", error=GateError("it loses 3 points.", fix="Use fp16.")),
        writes(tmp_path, "broken", "source", error=UsageError("the parser refuses it.")),
        writes(tmp_path, "absent", "source", error=MissingError("no GPU.")),
        writes(tmp_path, "child", "refused"),
        writes(tmp_path, "good", "source"),
    ]
    diary = Diary()
    records, ran = run_stages(tmp_path, stages, diary)
    assert {record.name: record.status for record in records} == {
        "source": "done",
        "refused": "rejected",
        "broken": "failed",
        "absent": "skipped",
        "child": "skipped",
        "good": "done",
    }
    assert ran == ["source", "refused", "broken", "absent", "good"]
    assert records[1].reason == "it loses 3 points. Use fp16."
    assert records[4].reason == "it needs refused, which was rejected"
    assert records[0].warnings == ("source is odd",)
    assert diary.lines[:2] == ["begin source 1/6", "done source"]
    assert "begin child 5/6" not in diary.lines
    assert capsys.readouterr().err.count("progress 10%\rprogress 20%\n") == 5  # all of it went on to stderr
    again, ran = run_stages(tmp_path, stages, None)
    assert ran == ["broken", "absent"]
    assert [decision.action for decision in preview(tmp_path, stages)] == [
        "reuse",
        "reuse",
        "run",
        "run",
        "skip",
        "reuse",
    ]
    assert again[1].reason == records[1].reason


def test_a_stage_goes_without_what_was_skipped(tmp_path: Path) -> None:
    plan = replace(writes(tmp_path, "plan", "source"), skip="not run here: needs an NVIDIA GPU")
    front = replace(writes(tmp_path, "front", "source"), optional_parents=("plan",))
    stages = [writes(tmp_path, "source", kind="export"), plan, front]
    records, ran = run_stages(tmp_path, stages, None)
    assert ran == ["source", "front"]
    assert records[2].inputs["plan"] == "skipped"
    assert [decision.action for decision in preview(tmp_path, stages)] == ["reuse", "skip", "reuse"]
    here = [stages[0], replace(plan, skip=""), front]  # the same folder on a machine with a GPU
    assert [decision.action for decision in preview(tmp_path, here)] == ["reuse", "run", "run"]
    assert run_stages(tmp_path, here, None)[1] == ["plan", "front"]


def test_nothing_goes_on_without_the_source(tmp_path: Path) -> None:
    stages = [writes(tmp_path, "source", kind="export", error=GateError("no parity.")), writes(tmp_path, "x", "source")]
    with pytest.raises(GateError, match="no parity"):
        run_stages(tmp_path, stages, None)
    assert read_record(tmp_path, "source") is None
    assert not (tmp_path / "x").exists()


def test_ctrl_c_leaves_whole_stages_and_nothing_else(tmp_path: Path) -> None:
    stages = [writes(tmp_path, "source", kind="export"), writes(tmp_path, "x", "source", error=KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        run_stages(tmp_path, stages, None)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["source", "source.json"]
    stderr = sys.stderr
    assert run_stages(tmp_path, [stages[0], writes(tmp_path, "x", "source")], None)[1] == ["x"]
    assert sys.stderr is stderr
