"""Whether a stage has to run, and the sentence that says why."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ran_deploy.deploying.folder import artefact, read_record, write_record
from ran_deploy.deploying.result import StageRecord, StageStatus
from ran_deploy.deploying.stage import Decision, Outcome, Stage, decide

HASH = "ab" * 32


def never(_: Mapping[str, StageRecord]) -> Outcome:
    raise AssertionError


def stage(name: str = "int8", **changes: object) -> Stage:
    options = {"inputs": {"samples": "512", "weights": HASH}, "kind": "int8", "run": never, **changes}
    return Stage(name=name, **options)  # type: ignore[arg-type]


def record(folder: Path, made: Stage, *, status: StageStatus = "done", reason: str = "") -> StageRecord:
    path = folder / f"{made.name}.bin"
    path.write_bytes(made.name.encode())
    found = StageRecord(
        name=made.name,
        kind=made.kind,
        status=status,
        reason=reason,
        key=decide(folder, made, {}, frozenset()).key,
        inputs=dict(made.inputs),
        artefacts=(artefact(folder, path),) if status == "done" else (),
    )
    write_record(folder, found)
    return found


def ask(folder: Path, made: Stage, *done: StageRecord, pending: frozenset[str] = frozenset()) -> Decision:
    return decide(folder, made, {found.name: found for found in done}, pending)


def test_what_has_not_been_done_runs(tmp_path: Path) -> None:
    found = ask(tmp_path, stage())
    assert (found.action, found.why) == ("run", "it has not been done yet")


def test_what_is_unchanged_is_kept(tmp_path: Path) -> None:
    known = record(tmp_path, stage())
    found = ask(tmp_path, stage())
    assert (found.action, found.record) == ("reuse", known)


def test_a_change_is_named_old_and_new(tmp_path: Path) -> None:
    record(tmp_path, stage())
    found = ask(tmp_path, stage(inputs={"samples": "256", "weights": "cd" * 32, "seed": "1"}))
    assert found.action == "run"
    assert found.why == "samples: 512 → 256; weights: abababababab… → cdcdcdcdcdcd…; seed: none → 1"


def test_what_a_gate_rejected_is_not_made_again(tmp_path: Path) -> None:
    record(tmp_path, stage(), status="rejected", reason="it loses 3 points")
    assert ask(tmp_path, stage()).action == "reuse"


@pytest.mark.parametrize(("status", "why"), [("failed", "it failed the last time"), ("skipped", "it was skipped")])
def test_what_failed_otherwise_is_tried_again(tmp_path: Path, status: StageStatus, why: str) -> None:
    record(tmp_path, stage(), status=status)
    found = ask(tmp_path, stage())
    assert found.action == "run"
    assert found.why.startswith(why)


def test_a_changed_artefact(tmp_path: Path) -> None:
    record(tmp_path, stage())
    (tmp_path / "int8.bin").write_bytes(b"other")
    assert ask(tmp_path, stage()).why == "int8.bin is missing or was changed"


def test_a_parents_artefact_is_an_input(tmp_path: Path) -> None:
    parent = record(tmp_path, stage("export", kind="export"))
    child = stage(parents=("export",))
    found = ask(tmp_path, child, parent)
    assert found.inputs["export.bin"] == parent.artefacts[0].sha256


def test_a_parent_that_would_run_makes_its_children_run(tmp_path: Path) -> None:
    made = stage(parents=("export",), optional_parents=("fp16",))
    both = ask(tmp_path, made, pending=frozenset({"export", "fp16"}))
    assert (both.action, both.why) == ("run", "export and fp16 run")


def test_a_parent_that_was_rejected_skips_its_children(tmp_path: Path) -> None:
    parent = record(tmp_path, stage("export", kind="export"), status="rejected")
    found = ask(tmp_path, stage(parents=("export",)), parent)
    assert (found.action, found.why) == ("skip", "it needs export, which was rejected")
    optional = ask(tmp_path, stage(optional_parents=("export",)), parent)
    assert optional.action == "run"
    assert optional.inputs["export"] == "rejected"


def test_what_cannot_run_here_is_skipped(tmp_path: Path) -> None:
    found = ask(tmp_path, stage(skip="not run here: needs an NVIDIA GPU"))
    assert (found.action, found.why) == ("skip", "not run here: needs an NVIDIA GPU")


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    record(tmp_path, stage())
    (tmp_path / "stages" / "int8.json").write_text('{"name": "int8"}')
    assert read_record(tmp_path, "int8") is None
    assert ask(tmp_path, stage()).why == "it has not been done yet"
