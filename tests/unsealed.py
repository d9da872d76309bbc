"""Manifests that a test edits: without the digest that would show the edit."""

import json
from pathlib import Path
from typing import Any

from ran_deploy.manifest import manifest_path


def unsealed(path: Path) -> dict[str, Any]:
    """Return the manifest beside an artefact as a document that may be changed and written back."""
    document: dict[str, Any] = json.loads(manifest_path(path).read_text(encoding="utf-8"))
    del document["digest"]
    return document
