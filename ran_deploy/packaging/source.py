"""The engines that go into a package: whole, described by a manifest, and of a kind that serves without torch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import BatchProfile, Contract, Manifest, manifest_path, verified_manifest
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX

_KINDS: dict[str, Literal["onnx", "plan"]] = {".onnx": "onnx", ".plan": "plan"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSource:
    """An engine whose hash has been verified."""

    path: Path
    kind: Literal["onnx", "plan"]
    manifest: Manifest

    @property
    def contract(self) -> Contract:
        """Input, output, preprocessing and labels."""
        return self.manifest.contract

    @property
    def profile(self) -> BatchProfile | None:
        """The batch sizes that a plan accepts; None for an ONNX model."""
        return self.manifest.build.profile if self.manifest.build is not None else None

    @property
    def flavour(self) -> str | None:
        """The TensorRT that built a plan; None for an ONNX model."""
        return self.manifest.build.flavour if self.manifest.build is not None else None


def read_source(path: Path) -> EngineSource:
    """Read what is known of an engine.

    Raises:
        UsageError: The file is missing, is no ``.onnx`` or ``.plan`` file, or has no manifest.
        IntegrityError: The file is not the one that its manifest describes, or the manifest of a plan lacks what built
            it and for which batch sizes.
    """
    kind = _KINDS.get(path.suffix)
    if path.suffix == ARCHIVE_SUFFIX:
        raise UsageError(f"{path} is a package already.", fix="Give the engine that it was made from.")
    if kind is None:
        raise UsageError(
            f"{path} ends in {path.suffix!r}; a package holds .onnx or .plan engines, which run without torch.",
            fix="Export the checkpoint with: ran-deploy export",
        )
    require_file(path, what="engine")
    manifest = verified_manifest(path)
    if manifest is None:
        raise UsageError(
            f"{path} has no manifest beside it, so its labels and preprocessing are unknown.",
            fix=f"Put {manifest_path(path).name}, which was written with it, back beside it, or make it again.",
        )
    if manifest.kind != kind:
        raise IntegrityError(
            f"{path} is named like {kind}, but its manifest describes {manifest.kind}.",
            fix="Give the file its right name, or make it again.",
        )
    if kind == "plan" and manifest.build is None:
        raise IntegrityError(
            f"The manifest of {path} does not say what built it, nor for which batch sizes.",
            fix="Build the plan again: ran-deploy build",
        )
    return EngineSource(path=path, kind=kind, manifest=manifest)


def model_names(sources: tuple[EngineSource, ...], name: str | None) -> tuple[str, ...]:
    """Return the name of each model: the one given for a single engine, or else the files' own.

    Raises:
        UsageError: A name is given for several engines, is not a plain word, or two engines have the same one.
    """
    if name is not None and len(sources) > 1:
        raise UsageError(f"--name {name} names one model, but there are {len(sources)} engines.", fix="Leave it out.")
    names = tuple(name if name is not None else source.path.stem for source in sources)
    for given in names:
        if not _NAME.fullmatch(given):
            raise UsageError(
                f"{given!r} cannot name a model; expected letters, digits, '.', '_' and '-'.", fix="Give a --name."
            )
    if len(set(names)) < len(names):
        raise UsageError(f"Two engines have the same name: {', '.join(names)}.", fix="Rename one of the files.")
    return names
