"""What packaging returns: the files that were written, and what a check of a package found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.packaging.record import ModelRecord

Format = Literal["triton", "kserve", "docker", "archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """A file of a package."""

    path: str
    """Relative to the package."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a model repository that Triton would refuse, or that would give other answers than intended."""

    severity: Literal["error", "warning"]
    rule: str
    """Short name of the rule that is broken."""
    file: str
    """Relative to the repository."""
    field: str
    """The field of ``config.pbtxt`` that is concerned; empty where the file itself is."""
    message: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageResult:
    """A package that was written."""

    path: Path
    format: Format
    models: tuple[ModelRecord, ...]
    files: tuple[PackagedFile, ...]
    """All of them, in the order of their names."""
    findings: tuple[Finding, ...] | None
    """What the check of a model repository found: warnings only, for errors stop the packaging; None: not checked."""
    notes: tuple[str, ...]
    """What must hold where the package is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What the check of a model repository found."""

    path: Path
    models: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings make the repository unusable."""
        return sum(finding.severity == "error" for finding in self.findings)
