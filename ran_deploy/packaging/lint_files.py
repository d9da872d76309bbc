"""Whether the files that a model's configuration speaks of are there, and are what they should be."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ran_deploy.files import sha256_file
from ran_deploy.packaging.lint_view import ModelView, VersionView
from ran_deploy.packaging.result import Finding

_NOT_VERSIONS = {"warmup", "initial_state", "configs"}
"""Folders of a model that Triton uses otherwise."""


def check_files(model: ModelView) -> Iterator[Finding]:
    """Check version folders, engines, their hashes, and the digests for Triton's checksum agent."""
    yield from _versions(model)
    for version in model.versions:
        yield from _engine(model, version)
    yield from _checksums(model)


def _versions(model: ModelView) -> Iterator[Finding]:
    if not model.versions:
        yield model.error(
            "versions",
            "",
            "There is no version folder, so there is nothing to serve.",
            "Put the engine into a folder named by a number, such as 1.",
            file=model.folder,
        )
    numbers = {str(version.number) for version in model.versions}
    for place in sorted(model.folder.iterdir()):
        if place.is_dir() and place.name not in numbers | _NOT_VERSIONS:
            yield model.warning(
                "versions",
                "",
                f"The folder {place.name!r} is no version: Triton ignores it.",
                "Name it by a number that does not begin with 0, or remove it.",
                file=place,
            )
    for wanted in model.config.version_policy.specific.versions:
        if str(wanted) not in numbers:
            yield model.error(
                "versions",
                "version_policy.specific.versions",
                f"Version {wanted} is asked for, but is not there; there are {', '.join(sorted(numbers)) or 'none'}.",
                "Correct the policy, or add the version.",
            )


def _engine(model: ModelView, version: VersionView) -> Iterator[Finding]:
    if model.backend == "python" and not (version.folder / "model.py").is_file():
        yield model.error(
            "files",
            "backend",
            "The back end python runs model.py, which is missing.",
            "Package the engine again.",
            file=version.folder,
        )
    if not version.engine.is_file() or version.engine.stat().st_size == 0:
        field = "parameters.engine" if model.backend == "python" else "default_model_filename"
        yield model.error(
            "files",
            field,
            f"{version.engine.name} is missing or empty in version {version.number}.",
            "Restore it, or package the engine again.",
            file=version.folder,
        )
    elif version.manifest is None:
        yield model.warning(
            "hash",
            "",
            f"{version.engine.name} has no manifest beside it, so nothing vouches for it.",
            "Put its manifest beside it, or package it with ran-deploy.",
            file=version.engine,
        )
    elif version.manifest.sha256 != sha256_file(version.engine):
        yield model.error(
            "hash",
            "",
            f"{version.engine.name} is not the file that its manifest describes: it was changed or replaced.",
            "Restore the original file, or package the engine again.",
            file=version.engine,
        )


def _checksums(model: ModelView) -> Iterator[Finding]:
    for agent in model.config.model_repository_agents.agents:
        if agent.name != "checksum":
            continue
        listed = {key.partition(":")[2]: (key, value) for key, value in agent.parameters.items()}
        for name, (key, value) in listed.items():
            path = model.folder / name
            found = _md5(path)
            if found != value:
                state = "missing" if found is None else f"{found}"
                yield model.error(
                    "checksum",
                    f"model_repository_agents.agents.parameters[{key!r}]",
                    f"The MD5 of {name} should be {value}, but is {state}: Triton would not load the model.",
                    "Restore the file, or package the engine again.",
                )
        for version in model.versions:
            name = f"{version.number}/{version.engine.name}"
            if name not in listed:
                yield model.warning(
                    "checksum",
                    "model_repository_agents.agents.parameters",
                    f"{name} has no checksum, though others have.",
                    f"Add the key MD5:{name}.",
                )


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else None
