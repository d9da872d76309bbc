"""What a package says of itself, in one file at its top: which engines it holds, and how they are served."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ran_deploy import __version__
from ran_deploy.json_files import read_json, write_json

RECORD = "ran-deploy-package.json"
"""Triton takes the folders in a model repository for models and leaves files alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One engine of a package."""

    version: int
    engine: str
    """Name of the file that was packaged."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model of a package, in one or more versions."""

    name: str
    backend: str
    """What runs it: a back end of Triton, or "ran-deploy"."""
    max_batch: int | None
    """Largest batch that is served; 0: the server does not batch; None: not decided by the package."""
    on_gpu: bool | None
    """Whether it runs on a GPU; None: the one who opens it decides."""
    versions: tuple[VersionRecord, ...]
    options: dict[str, Any] = field(default_factory=dict)
    """How it is served; what makes the same ``config.pbtxt`` again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """What :data:`RECORD` holds."""

    format: Literal["triton", "kserve", "docker"]
    models: tuple[ModelRecord, ...]
    made_by: str = f"ran-deploy {__version__}"
    schema: Literal["ran-deploy.package/v1"] = "ran-deploy.package/v1"


def read_record(folder: Path) -> PackageRecord | None:
    """Read the record of a package; None for a folder that is none.

    Raises:
        IntegrityError: The record is corrupt.
    """
    path = folder / RECORD
    return read_json(PackageRecord, path) if path.is_file() else None


def write_record(folder: Path, record: PackageRecord) -> None:
    """Write the record of a package atomically.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    write_json(folder / RECORD, record)
