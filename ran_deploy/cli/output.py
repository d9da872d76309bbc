"""How commands speak: data on stdout, everything else on stderr, one JSON document with ``--json``."""

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ran_deploy.config import to_mapping
from ran_deploy.errors import RanDeployError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, errors included.")]


def emit(result: Any, schema: str, *, as_json: bool, lines: Sequence[str]) -> None:
    """Print a command's result.

    Args:
        result: A dataclass or mapping; printed as it is with ``--json``.
        schema: Name and version of the JSON document, such as "bench/v1".
        as_json: Whether to print JSON.
        lines: What a person reads instead.
    """
    if as_json:
        document = {"schema": f"ran-deploy.{schema}", **to_mapping(result)}
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell a person something beside the data, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def emit_error(error: RanDeployError, *, as_json: bool) -> None:
    """Print an error: one line of cause and one of fix on stderr, and with ``--json`` a document on stdout."""
    if as_json:
        body = {
            "type": type(error).__name__,
            "message": error.message,
            "fix": error.fix,
            "exit_code": error.exit_code,
            "details": to_mapping(error.details),
        }
        with contextlib.suppress(RanDeployError):  # where stdout is full, this error still decides the exit code
            sys.stdout.write(json.dumps({"schema": "ran-deploy.error/v1", "error": body}, indent=2) + "\n")
            sys.stdout.flush()
    note(f"error: {error.message}")
    if error.fix:
        note(f"  fix: {error.fix}")


def size_text(size_bytes: int) -> str:
    """Return the size of a file: to 0.1 MB, small ones to the byte."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes:,} bytes"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a plain table: columns of numbers to the right, the others to the left."""
    columns = list(zip(header, *rows, strict=True))
    laid_out = []
    for column in columns:
        width = max(len(cell) for cell in column)
        numeric = all(cell[:1].isdigit() or cell[:1] in "-+–" for cell in column[1:])
        laid_out.append([cell.rjust(width) if numeric else cell.ljust(width) for cell in column])
    return ["  ".join(line).rstrip() for line in zip(*laid_out, strict=True)]
