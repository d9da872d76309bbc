"""Running the stages of a deployment one after another, so that it can be killed at any moment and go on."""

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TextIO

from ran_deploy.deploying.folder import artefact, write_record
from ran_deploy.deploying.result import StageRecord, StageStatus
from ran_deploy.deploying.stage import Decision, Stage, decide
from ran_deploy.errors import GateError, MissingError, RanDeployError

_WARNING = "warning: "


class Watcher(Protocol):
    """Is told what happens, for a person to see."""

    def begin(self, decision: Decision, place: int, total: int) -> None:
        """A stage is about to run."""

    def end(self, decision: Decision, record: StageRecord) -> None:
        """A stage has run, was found done, or is skipped."""


def preview(folder: Path, stages: Sequence[Stage]) -> tuple[Decision, ...]:
    """Say what a run would do, without doing it."""
    done: dict[str, StageRecord] = {}
    pending: set[str] = set()
    decisions = []
    for stage in stages:
        decision = decide(folder, stage, done, frozenset(pending))
        decisions.append(decision)
        if decision.record is not None:
            done[stage.name] = decision.record
        elif decision.action == "skip":
            done[stage.name] = _record(stage, decision, status="skipped", reason=decision.why)
        else:
            pending.add(stage.name)
    return tuple(decisions)


def run_stages(folder: Path, stages: Sequence[Stage], watcher: Watcher | None) -> tuple[list[StageRecord], list[str]]:
    """Run what has to be run.

    A stage's record is written after its artefacts, each atomically. What a gate refuses is put on record as well,
    so that it is not made again to be refused again; what failed otherwise is tried anew the next time.

    Args:
        folder: The deployment's, held by this process.
        stages: In an order in which parents come first.
        watcher: Is told what happens.

    Returns:
        The record of each stage, and the names of those that ran now.

    Raises:
        RanDeployError: The stage failed that all others depend on.
    """
    done: dict[str, StageRecord] = {}
    ran = []
    for place, stage in enumerate(stages, start=1):
        decision = decide(folder, stage, done, frozenset())
        if decision.action == "reuse" and decision.record is not None:
            record = decision.record
        elif decision.action == "skip":
            record = _record(stage, decision, status="skipped", reason=decision.why)
        else:
            if watcher is not None:
                watcher.begin(decision, place, len(stages))
            ran.append(stage.name)
            record = _run(folder, stage, decision, done)
            write_record(folder, record)
        done[stage.name] = record
        if watcher is not None:
            watcher.end(decision, record)
    return list(done.values()), ran


def _run(folder: Path, stage: Stage, decision: Decision, done: Mapping[str, StageRecord]) -> StageRecord:
    started_s = time.monotonic()
    status: StageStatus = "done"
    reason = summary = ""
    paths: tuple[Path, ...] = ()
    with _warnings_of() as warnings:
        try:
            outcome = stage.run(done)
            paths, summary = outcome.paths, outcome.summary
        except RanDeployError as error:
            if stage.is_source:
                raise
            status, reason = _status_of(error), f"{error.message} {error.fix}".strip()
    return replace(
        _record(stage, decision, status=status, reason=reason),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        artefacts=tuple(artefact(folder, path) for path in paths),
        summary=summary,
        warnings=tuple(dict.fromkeys(warnings)),
        seconds=round(time.monotonic() - started_s, 3),
    )


def _status_of(error: RanDeployError) -> StageStatus:
    if isinstance(error, GateError):
        return "rejected"
    return "skipped" if isinstance(error, MissingError) else "failed"


def _record(stage: Stage, decision: Decision, *, status: StageStatus, reason: str) -> StageRecord:
    return StageRecord(
        name=stage.name,
        kind=stage.kind,
        status=status,
        reason=reason,
        key=decision.key,
        inputs=decision.inputs,
        parents=(*stage.parents, *stage.optional_parents),
        command=stage.command,
    )


@contextlib.contextmanager
def _warnings_of() -> Iterator[list[str]]:
    """Collect the warnings that a stage writes to stderr; all that it writes goes on to where it went before."""
    found: list[str] = []
    with contextlib.redirect_stderr(_Listener(sys.stderr, found)):
        yield found


class _Listener:
    """Passes text on to a stream and keeps the lines that are warnings."""

    def __init__(self, stream: TextIO, found: list[str]) -> None:
        self._stream, self._found, self._line = stream, found, ""

    def write(self, text: str) -> int:
        """Pass text on."""
        *lines, self._line = (self._line + text.replace("\r", "\n")).split("\n")
        self._found += [line.removeprefix(_WARNING) for line in lines if line.startswith(_WARNING)]
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: whoever took this for stderr, as logging libraries do, does not own it."""

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()
