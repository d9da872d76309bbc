"""Dataclasses as JSON files: read strictly, written whole or not at all, and digested by their content."""

import json
from pathlib import Path
from typing import Any, TypeVar

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file, sha256_bytes, write_text

T = TypeVar("T")


def read_json(cls: type[T], path: Path) -> T:
    """Read a JSON file into the dataclass ``cls``.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is not JSON, or has unknown keys or values of the wrong type.
    """
    return parse_json(cls, require_file(path).read_bytes(), where=str(path))


def parse_json(cls: type[T], content: bytes, *, where: str) -> T:
    """Do as :func:`read_json` with the bytes of a file.

    Raises:
        IntegrityError: They are not JSON, or have unknown keys or values of the wrong type.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError(f"{where} is not valid JSON: {error}.", fix="Make the artefact again.") from error
    return from_mapping(cls, document, where=where, error=IntegrityError, fix="Make the artefact again.")


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write a dataclass or a mapping, atomically; :func:`read_json` reads it again.

    Args:
        path: The file.
        value: What :func:`~ran_deploy.config.to_mapping` takes, every number of it finite.
        indent: Spaces of each level; None: all in one line.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    write_text(path, json.dumps(to_mapping(value), indent=indent, allow_nan=False) + "\n")


def json_digest(value: Any) -> str:
    """Return the SHA-256 of a dataclass or a mapping as JSON with sorted keys: of what it says, not of how."""
    return sha256_bytes(json.dumps(to_mapping(value), sort_keys=True).encode())
