"""Where a benchmark's result goes: one JSON file, with when it was measured and with which options."""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from ran_deploy.files import require_writable, write_text

RESULTS = Path(__file__).resolve().parent / "results"


class ResultFile:
    """The file of one run.

    Args:
        benchmark: The script's name, which the schema bears.
        options: What was asked for; ``out``: the file, or None for a new one in ``results/``.
        subject: What was measured, for the new file's name.
    """

    def __init__(self, benchmark: str, options: argparse.Namespace, *subject: str) -> None:
        self._benchmark, self._options = benchmark, options
        self._created = datetime.datetime.now(datetime.UTC)
        name = "_".join((benchmark, *subject, f"{self._created:%Y%m%dT%H%M%SZ}.json"))
        self.path: Path = options.out or RESULTS / name

    def check(self) -> None:
        """Fail before a long measurement.

        Raises:
            UsageError: The file cannot be written.
        """
        require_writable(self.path)

    def write(self, content: dict[str, Any]) -> None:
        """Write the result.

        Raises:
            UsageError: The file cannot be written.
        """
        document = {
            "schema": f"ran-deploy.benchmarks.{self._benchmark}/v1",
            "created": self._created.isoformat(timespec="seconds"),
            "options": vars(self._options),
            **content,
        }
        write_text(self.path, json.dumps(_without_folders(document), indent=1, allow_nan=False) + "\n")


def _without_folders(value: Any) -> Any:
    """Return a document with only the names of files: where they lay on this machine says nothing on another."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and value.startswith("/")):
        return Path(value).name
    return value
