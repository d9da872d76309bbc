"""A stage of a deployment, and whether it has to run: decided by what it is made from, never by time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ran_deploy.deploying.folder import changed_artefact, read_record
from ran_deploy.deploying.result import StageKind, StageRecord
from ran_deploy.manifest import stage_key

_HASH_CHARACTERS = 64
_SHOWN_OF_A_HASH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage made."""

    paths: tuple[Path, ...]
    """Its artefacts, whole and in the folder."""
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Something to do, and what determines its result."""

    name: str
    kind: StageKind
    parents: tuple[str, ...] = ()
    """Stages whose artefacts it reads; it cannot run unless all of them are done."""
    optional_parents: tuple[str, ...] = ()
    """Stages whose artefacts it reads where they are done; where they are not, it goes without."""
    inputs: Mapping[str, str]
    """Options, versions and hashes of what does not come from a parent, by the name that a person reads."""
    run: Callable[[Mapping[str, StageRecord]], Outcome]
    """Does it, given the records of the stages before it."""
    command: str = ""
    """The command that repeats it alone."""
    skip: str = ""
    """Why it cannot run on this machine; empty: it can."""

    @property
    def is_source(self) -> bool:
        """Whether all others depend on it."""
        return self.kind in ("export", "import")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to a stage, and why."""

    stage: str
    kind: StageKind
    action: Literal["run", "reuse", "skip"]
    why: str
    inputs: dict[str, str] = field(default_factory=dict)
    record: StageRecord | None = None
    """For "reuse": what is on record."""

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        return stage_key(self.stage, self.inputs, {})


def decide(folder: Path, stage: Stage, done: Mapping[str, StageRecord], pending: frozenset[str]) -> Decision:
    """Say whether a stage has to run.

    Args:
        folder: The deployment's.
        stage: The stage.
        done: Records of the stages before it, by name.
        pending: Those of them that would run; with a real run there are none, because they have run.
    """

    def decision(action: Literal["run", "reuse", "skip"], why: str, record: StageRecord | None = None) -> Decision:
        return Decision(stage=stage.name, kind=stage.kind, action=action, why=why, inputs=inputs, record=record)

    inputs = _inputs(stage, done)
    if stage.skip:
        return decision("skip", stage.skip)
    for parent in stage.parents:
        known = done.get(parent)
        if parent not in pending and (known is None or known.status != "done"):
            return decision("skip", f"it needs {parent}, which was {'not run' if known is None else known.status}")
    if waiting := [parent for parent in (*stage.parents, *stage.optional_parents) if parent in pending]:
        return decision("run", f"{_listed(waiting)} {'runs' if len(waiting) == 1 else 'run'}")
    record = read_record(folder, stage.name)
    if record is None:
        return decision("run", "it has not been done yet")
    if changes := _changes(record.inputs, inputs):
        return decision("run", "; ".join(changes))
    if record.status in ("failed", "skipped"):
        return decision("run", f"it {'failed' if record.status == 'failed' else 'was skipped'} the last time")
    if (damaged := changed_artefact(folder, record)) is not None:
        return decision("run", f"{damaged} is missing or was changed")
    return decision("reuse", "nothing that it depends on has changed", record)


def _inputs(stage: Stage, done: Mapping[str, StageRecord]) -> dict[str, str]:
    inputs = dict(stage.inputs)
    for parent in (*stage.parents, *stage.optional_parents):
        record = done.get(parent)
        if record is not None and record.status == "done":
            inputs |= {found.name: found.sha256 for found in record.artefacts}
        elif record is not None:
            inputs[parent] = record.status
    return inputs


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    names = [*old, *(name for name in new if name not in old)]
    return [
        f"{name}: {_short(old.get(name))} → {_short(new.get(name))}" for name in names if old.get(name) != new.get(name)
    ]


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    is_hash = len(value) == _HASH_CHARACTERS and set(value) <= set("0123456789abcdef")
    return f"{value[:_SHOWN_OF_A_HASH]}…" if is_hash else value


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
