"""What a sensitivity run has measured so far, so that a killed one goes on where it was."""

import json
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import IntegrityError, RanDeployError
from ran_deploy.files import write_text

_SCHEMA = "ran-deploy.sensitivity-state/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a model's logits lose against the float32 model's."""

    sqnr_db: float
    """Power of the float32 logits over that of the difference, in decibels, at most 300."""
    flips: int
    """Images whose top-1 class changes."""
    max_abs: float
    """Largest difference of a logit."""
    not_finite: int
    """Images answered with infinity or NaN."""


class SensitivityState:
    """Measured costs by name, in a JSON-lines file that is replaced as a whole after each.

    A file of another key, or one that is damaged, counts as empty.

    Args:
        path: The file.
        key: Digest of everything that the costs depend on.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._header = {"schema": _SCHEMA, "key": key}
        self.costs = self._read()

    def add(self, name: str, cost: Cost) -> None:
        """Keep one more measurement, on the disk before this returns.

        Raises:
            UsageError: The folder cannot be written to, or its disk is full.
        """
        self.costs[name] = cost
        rows = [{"name": name, "cost": to_mapping(cost)} for name, cost in self.costs.items()]
        write_text(self._path, "".join(f"{json.dumps(row)}\n" for row in (self._header, *rows)))

    def remove(self) -> None:
        """Delete the file: the result has taken its place."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Cost]:
        try:
            header, *rows = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
            if header != self._header:
                return {}
            return {
                str(row["name"]): from_mapping(Cost, row["cost"], where=str(self._path), error=IntegrityError)
                for row in rows
            }
        except (OSError, ValueError, KeyError, TypeError, RecursionError, RanDeployError):
            return {}
