"""Puts a bill of materials into the wheel (PEP 770): declared dependencies, and the shipped weights by their hashes."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)")


class SbomHook(BuildHookInterface):  # type: ignore[type-arg]
    """Writes the bill before the wheel is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Add the bill to what the wheel holds."""
        if self.target_name != "wheel":
            return
        sys.path.insert(0, self.root)
        from ran_deploy.packaging.sbom import SBOM, Library, sbom_text, shipped_models

        core = self.metadata.core
        libraries = []
        for requirement in sorted(core.dependencies):
            match = _REQUIREMENT.match(requirement)
            assert match is not None  # noqa: S101
            libraries.append(Library(name=match[1], constraint=match[2].strip()))
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / SBOM
        models = shipped_models(Path(self.root) / "models" / "weights")
        path.write_text(sbom_text(core.name, self.metadata.version, libraries, models))
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the temporary file."""
        if self.target_name == "wheel":
            self._folder.cleanup()
