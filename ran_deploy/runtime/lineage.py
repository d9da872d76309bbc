"""What a file was made from, and whether that still lies beside it: parents, their parents, and so on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest, Parent, read_manifest

State = Literal["whole", "changed", "absent"]

_CALIBRATION_FILE = ".json"
"""How the name of a calibration file ends; a calibration by another name is a set of images, such as "cifar10 train",
of which a manifest keeps the digest only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A file that an artefact was made from, directly or through others."""

    role: str
    name: str
    sha256: str
    generation: int
    """1: a parent; 2: a parent's parent; and so on."""
    state: State | None
    """Whether it lies beside the artefact as it was, changed, or not at all; None for what is not a file, and where
    nobody looked."""


def read_lineage(path: Path, manifest: Manifest | None) -> tuple[Ancestor, ...]:
    """Follow the manifests beside ``path`` as far as they lead, nearest generation first.

    Args:
        path: The artefact.
        manifest: Its manifest; None: nothing is known of its parents.
    """
    found: list[Ancestor] = []
    seen: set[str] = set()
    pending = [(parent, 1) for parent in manifest.parents] if manifest is not None else []
    while pending:
        parent, generation = pending.pop(0)
        if parent.sha256 in seen:
            continue
        seen.add(parent.sha256)
        beside = path.with_name(Path(parent.name).name)
        state = _state(beside, parent)
        found.append(
            Ancestor(role=parent.role, name=parent.name, sha256=parent.sha256, generation=generation, state=state)
        )
        if state == "whole":
            pending += [(older, generation + 1) for older in _parents(beside)]
    return tuple(found)


def _state(beside: Path, parent: Parent) -> State | None:
    if parent.role == "calibration" and not parent.name.endswith(_CALIBRATION_FILE):
        return None
    try:
        return "whole" if sha256_file(beside) == parent.sha256 else "changed"
    except UsageError:
        return "absent"
    except IntegrityError:  # it is there, but empty
        return "changed"


def _parents(path: Path) -> tuple[Parent, ...]:
    try:
        manifest = read_manifest(path)
    except IntegrityError:  # a damaged manifest further up is no fault of this file
        return ()
    return () if manifest is None else manifest.parents
