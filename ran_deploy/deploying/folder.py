"""The folder of a deployment: one process at a time, records of whole stages, nothing of anybody else's."""

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path

from ran_deploy.deploying.result import Artefact, StageRecord
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_writable, sha256_file
from ran_deploy.json_files import read_json, write_json
from ran_deploy.locks import lock
from ran_deploy.manifest import read_manifest

_LOCK = ".deploy.lock"
"""Held while a deployment runs; it stays in the folder, and marks it as one of a deployment."""
_RECORDS = "stages"
_DESCRIBED = (".onnx", ".plan")
"""Artefacts that have a manifest beside them."""
_SUBFOLDERS = (_RECORDS, "accuracy", "bench", "profile")


def check_folder(folder: Path) -> None:
    """Check that a deployment may go into a folder: absent, empty, or an earlier deployment's.

    Raises:
        UsageError: It is a file, or holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; a deployment is a folder.", fix="Choose another --out.")
    if any(folder.iterdir()) and not (folder / _LOCK).is_file():
        raise UsageError(
            f"{folder} holds files that are not of a deployment, and would be mixed with it.",
            fix="Choose another --out, such as a folder that does not exist yet.",
        )


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if it is not there, for this process alone.

    What a process that was killed left half written under a temporary name is removed.

    Raises:
        UsageError: Another process holds it, it holds something else, or it cannot be written to.
    """
    check_folder(folder)
    require_writable(folder / _LOCK)
    with (folder / _LOCK).open("a+", encoding="utf-8") as holder:
        if not lock(holder):
            holder.seek(0)
            raise UsageError(
                f"Another ran-deploy deploy is at work in {folder} ({holder.read().strip() or 'just started'}).",
                fix="Wait until it is done, or choose another --out.",
            )
        holder.truncate(0)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        holder.write(f"process {os.getpid()}, since {now}\n")
        holder.flush()
        _remove_half_written(folder)
        yield


def _remove_half_written(folder: Path) -> None:
    for place in (folder, *(folder / name for name in _SUBFOLDERS)):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def read_record(folder: Path, name: str) -> StageRecord | None:
    """Return what is on record of a stage; None if nothing is, or it is damaged or of another version."""
    path = _record_path(folder, name)
    if not path.is_file():
        return None
    try:
        return read_json(StageRecord, path)
    except (IntegrityError, UsageError):
        return None


def write_record(folder: Path, record: StageRecord) -> None:
    """Put a stage on record, atomically; its artefacts must be whole by now.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    write_json(_record_path(folder, record.name), record, indent=1)


def artefact(folder: Path, path: Path) -> Artefact:
    """Describe a file of the folder as it is now."""
    return Artefact(name=path.relative_to(folder).as_posix(), sha256=sha256_file(path), size_bytes=path.stat().st_size)


def changed_artefact(folder: Path, record: StageRecord) -> str | None:
    """Return the name of a recorded artefact that is missing or not as it was recorded; None if all are whole."""
    return next((known.name for known in record.artefacts if not _is_whole(folder / known.name, known)), None)


def _is_whole(path: Path, known: Artefact) -> bool:
    try:
        if path.stat().st_size != known.size_bytes or sha256_file(path) != known.sha256:
            return False
        manifest = read_manifest(path)
    except (OSError, UsageError, IntegrityError):
        return False
    return path.suffix not in _DESCRIBED or (manifest is not None and manifest.sha256 == known.sha256)


def _record_path(folder: Path, name: str) -> Path:
    return folder / _RECORDS / f"{name}.json"
