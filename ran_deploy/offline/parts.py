"""What an unfinished file of predictions has so far: whole chunks of rows beside it, safe from a kill at any moment."""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ran_deploy.config import to_mapping
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import write_bytes
from ran_deploy.json_files import read_json, write_json
from ran_deploy.locks import lock
from ran_deploy.offline.record import Identity
from ran_deploy.offline.run import Chunk

CHUNK_BYTES = 4 << 20
"""Rows are put on the disk when there are that many bytes of them."""
CHUNK_S = 5.0
"""They are also, however few, when the last time is that long ago."""
_JOURNAL = "journal.json"
_NAME = re.compile(r"(\d{12})-(\d{12})-(\d{1,12})\.jsonl")
"""A chunk's first row, the row after its last one, and how many of its rows are errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Which run the chunks belong to."""

    identity: Identity
    schema: Literal["ran-deploy.predictions-journal/v1"] = "ran-deploy.predictions-journal/v1"


def parts_folder(out: Path) -> Path:
    """Return the folder of the chunks of ``out``."""
    return out.with_name(f"{out.name}.parts")


@contextlib.contextmanager
def claimed_parts(out: Path, identity: Identity, *, restart: bool) -> Iterator["Parts"]:
    """Open the folder of chunks for this process alone; it stays only if there are chunks in it.

    Args:
        out: The file of predictions.
        identity: What decides the rows; chunks of anything else are refused.
        restart: Throw away the chunks that are there.

    Raises:
        UsageError: Another process holds the folder, it holds chunks of another run, or it cannot be written to.
    """
    folder = parts_folder(out)
    with _held(folder):
        parts = Parts(folder)
        parts.begin(identity, restart=restart)
        try:
            yield parts
        finally:
            if folder.is_dir() and not parts.done:
                shutil.rmtree(folder)


def remove_left_over(out: Path, identity: Identity) -> None:
    """Remove the chunks that a run left when it was killed after its file was whole."""
    folder = parts_folder(out)
    if not folder.is_dir():
        return
    with _held(folder):
        if _stored(folder) in (None, identity):
            shutil.rmtree(folder)


@dataclass(slots=True)
class Parts:
    """The chunks in a folder, and the rows that are not yet on the disk."""

    folder: Path
    done: int = 0
    """Rows on the disk."""
    errors: int = 0
    """How many of them are errors."""
    _files: list[Path] = field(default_factory=list)
    _waiting: list[Chunk] = field(default_factory=list)
    _written_s: float = field(default_factory=time.monotonic)

    def begin(self, identity: Identity, *, restart: bool) -> None:
        """Take up the chunks that are there and whole, and remove what else is.

        Raises:
            UsageError: They are of another run and ``restart`` is False, or the folder cannot be written to.
        """
        _refuse_strangers(self.folder)
        stored = None if restart else _stored(self.folder)
        if stored is not None and stored != identity:
            raise UsageError(
                f"{self.folder} holds an unfinished run with another {_difference(stored, identity)}.",
                fix="Give the same engine, inputs and options to go on with it, or add --restart to throw it away.",
            )
        kept = {_JOURNAL} if stored is not None else set()
        for path in sorted(self.folder.iterdir()) if stored is not None else ():
            match = _NAME.fullmatch(path.name)
            if match and int(match[1]) == self.done and _rows(path) == int(match[2]) - int(match[1]):
                self._took(path, int(match[2]), int(match[3]))
                kept.add(path.name)
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()
        if stored is None:
            write_json(self.folder / _JOURNAL, Journal(identity=identity))

    def add(self, chunk: Chunk) -> None:
        """Take the rows that follow; they are on the disk soon, see :data:`CHUNK_BYTES` and :data:`CHUNK_S`.

        Raises:
            UsageError: The folder cannot be written to, or its disk is full.
        """
        self._waiting.append(chunk)
        size = sum(len(waiting.lines) for waiting in self._waiting)
        if size >= CHUNK_BYTES or time.monotonic() - self._written_s >= CHUNK_S:
            self.flush()

    def flush(self) -> None:
        """Put the rows that wait on the disk, as one chunk. Raises as :meth:`add`."""
        if self._waiting:
            end = self.done + sum(chunk.rows for chunk in self._waiting)
            errors = sum(chunk.errors for chunk in self._waiting)
            path = self.folder / f"{self.done:012d}-{end:012d}-{errors}.jsonl"
            write_bytes(path, b"".join(chunk.lines for chunk in self._waiting))
            self._waiting.clear()
            self._took(path, end, errors)
        self._written_s = time.monotonic()

    def lines(self) -> Iterator[bytes]:
        """Yield the rows on the disk, in order."""
        for path in self._files:
            with path.open("rb") as stream:
                yield from stream

    def join(self, path: Path) -> None:
        """Write the rows on the disk to ``path``, one after another."""
        with path.open("wb") as whole:
            for part in self._files:
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, whole, 1 << 20)

    def remove(self) -> None:
        """Delete the folder: the file of predictions has taken its place."""
        shutil.rmtree(self.folder)

    def _took(self, path: Path, end: int, errors: int) -> None:
        self._files.append(path)
        self.done = end
        self.errors += errors


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}.", fix="Choose another --out.") from error
    try:
        if not lock(descriptor):
            raise UsageError(f"Another ran-deploy is writing to {folder}.", fix="Wait until it is done.")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()  # if nothing is in it
    finally:
        os.close(descriptor)


def _refuse_strangers(folder: Path) -> None:
    """Make sure that nothing in the folder is lost that ran-deploy did not put there."""
    for path in folder.iterdir():
        ours = _NAME.fullmatch(path.name) or path.name == _JOURNAL or path.name.endswith(".tmp")
        if not (ours and path.is_file()):
            raise UsageError(f"{path} is in the way of the run's own files.", fix="Move it, or choose another --out.")


def _stored(folder: Path) -> Identity | None:
    """Return what the chunks in a folder are of; None where it does not say, as after a kill at the very start."""
    path = folder / _JOURNAL
    if not path.is_file():
        return None
    try:
        return read_json(Journal, path).identity
    except IntegrityError as error:
        raise IntegrityError(
            f"{path} is damaged: {error.message}", fix="Add --restart to throw the unfinished run away."
        ) from error


def _rows(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))


def _difference(stored: Identity, wanted: Identity) -> str:
    old, new = to_mapping(stored), to_mapping(wanted)
    names = [name for name in new if old[name] != new[name]]
    words = {"engine_sha256": "engine", "inputs": "list of inputs, or inputs that have changed since"}
    return " and another ".join(words.get(name, f"{name} ({old[name]}; now {new[name]})") for name in names)
