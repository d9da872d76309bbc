"""The file that an engine was made from, wherever it lies, known by its hash and not by its name."""

from collections.abc import Iterator
from pathlib import Path

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest, Parent
from ran_deploy.resources import shipped_calibration, shipped_weights


def find_parent(engine: Path, manifest: Manifest, role: str, folder: Path | None) -> Path:
    """Find a parent of an engine: beside it, in ``folder``, or among what ships.

    Args:
        engine: The engine.
        manifest: Its manifest.
        role: The parent's role, such as "onnx".
        folder: Another folder to look in.

    Raises:
        UsageError: No such file is there, or only one of another content.
    """
    parent = next((parent for parent in manifest.parents if parent.role == role), None)
    if parent is None:
        raise UsageError(f"The manifest of {engine} names no {role} that it was made from.", fix="Make it again.")
    met = []
    for path in _places(engine, manifest, parent, folder):
        try:
            if sha256_file(path) == parent.sha256:
                return path
        except RanDeployError:  # absent or empty: look further
            continue
        met.append(path)
    other = f"; {met[0]} is another one" if met else ""
    raise UsageError(
        f"{engine} was made from {parent.name} (sha256 {parent.sha256[:12]}…), which was not found{other}.",
        fix="Give the folder that holds it with --parents DIR.",
    )


def _places(engine: Path, manifest: Manifest, parent: Parent, folder: Path | None) -> Iterator[Path]:
    name = Path(parent.name).name
    yield engine.with_name(name)
    if folder is not None:
        yield folder / name
    arch, dataset = str(manifest.arch), str(manifest.dataset)
    shipped = {"checkpoint": shipped_weights, "calibration": shipped_calibration}.get(parent.role)
    if shipped is not None and (path := shipped(arch, dataset)) is not None:
        yield path
