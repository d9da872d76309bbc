"""A bill of materials in CycloneDX 1.6: what is in a package, by name, version and hash.

Source: https://cyclonedx.org/docs/1.6/json/. The same content gives the same bytes: there is no time in it, and the
serial number is made of the content. ``hatch_build.py`` uses it too, where only the standard library is installed.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.files import sha256_file

SBOM = "sbom.cdx.json"
_NAMESPACE = uuid.UUID("c61b0ba5-9b1e-5f3c-8f0f-2d8f0c4d2f61")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A Python package."""

    name: str
    version: str | None = None
    """The exact version; None: any that ``constraint`` allows."""
    constraint: str = ""
    """Such as ">=1.26", where no version is fixed."""

    def component(self) -> dict[str, Any]:
        """Return it as CycloneDX has it."""
        purl = f"pkg:pypi/{self.name.lower()}" + (f"@{self.version}" if self.version else "")
        found: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": self.name, "purl": purl}
        if self.version:
            found["version"] = self.version
        if self.constraint:
            found["properties"] = [{"name": "ran-deploy:constraint", "value": self.constraint}]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights or an engine."""

    name: str
    """The file's name in the package."""
    sha256: str
    facts: tuple[tuple[str, str], ...] = ()
    """What else is known of it, such as the hash of what it was made from."""

    def component(self) -> dict[str, Any]:
        """Return it as CycloneDX has it."""
        return {
            "type": "machine-learning-model",
            "bom-ref": f"model:{self.name}",
            "name": self.name,
            "hashes": [{"alg": "SHA-256", "content": self.sha256}],
            "properties": [{"name": f"ran-deploy:{name}", "value": value} for name, value in self.facts],
        }


def sbom_text(name: str, version: str, libraries: Sequence[Library], models: Sequence[Model]) -> str:
    """Return the document.

    Args:
        name: What the bill is of.
        version: Its version.
        libraries: What it needs or holds.
        models: Weights and engines that it holds.
    """
    parts = [library.component() for library in libraries] + [model.component() for model in models]
    root = {
        "type": "application",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return json.dumps({"serialNumber": f"urn:uuid:{serial}", **document}, indent=1) + "\n"


def shipped_models(folder: Path) -> list[Model]:
    """Return the weights that ship with the package.

    Args:
        folder: ``models/weights``.
    """
    return [Model(name=path.name, sha256=sha256_file(path)) for path in sorted(folder.glob("*.safetensors"))]
