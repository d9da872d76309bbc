"""``inspect_file``: everything that an engine's file and its manifest say, without running it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx

from ran_deploy.engine.inspect_checkpoint import CheckpointFacts, checkpoint_facts
from ran_deploy.engine.inspect_onnx import OnnxFacts, onnx_facts
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file, sha256_file
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.quant.finding import Finding
from ran_deploy.quant.lint import lint as lint_model
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX, ArchiveHeader, extracted, read_header
from ran_deploy.runtime.lineage import Ancestor, read_lineage
from ran_deploy.runtime.onnx_file import load_onnx
from ran_deploy.runtime.plan_header import PlanHeader
from ran_deploy.runtime.plan_header import read_header as read_plan_header

Kind = Literal["checkpoint", "onnx", "plan"]
_KINDS: dict[str, Kind] = {".safetensors": "checkpoint", ".onnx": "onnx", ".plan": "plan"}
_HEADER_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """The archive that an engine came out of."""

    size_bytes: int
    sha256: str
    """Of the archive itself; the report's other hash is the engine's."""
    header: ArchiveHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectReport:
    """What is known of a file; of an archive, what is known of the engine in it."""

    path: Path
    kind: Kind
    size_bytes: int
    sha256: str
    matches_manifest: bool | None
    """Whether the hash is the one in the manifest; None without a manifest."""
    manifest: Manifest | None
    lineage: tuple[Ancestor, ...]
    """What it was made from, and whether that still lies beside it."""
    onnx: OnnxFacts | None = None
    """Of an ONNX model, or of the one that a plan was built from, where that lies beside it as it was."""
    checkpoint: CheckpointFacts | None = None
    plan: PlanHeader | None = None
    """The undocumented header of a plan: a hint."""
    archive: ArchiveFacts | None = None
    findings: tuple[Finding, ...] | None = None
    """What the lint found; None where it was not asked for."""


def inspect_file(path: Path | str, *, lint: bool = False) -> InspectReport:
    """Look into an engine's file and its manifest, or into an archive of them; nothing is run or deserialized.

    A hash that is not the manifest's is reported and not raised, so that one can see what differs.

    Args:
        path: A ``.onnx``, ``.safetensors``, ``.plan`` or ``.ran`` file.
        lint: Check the Q/DQ nodes of an ONNX model, see :func:`ran_deploy.quant.lint.lint`.

    Raises:
        UsageError: The file is missing or of another kind, or ``lint`` is asked of other than ONNX.
        IntegrityError: The file or its manifest is empty, truncated or corrupt, or an archive is not as it was made.
    """
    path = Path(path)
    if path.suffix == ARCHIVE_SUFFIX:
        with extracted(path) as engine:
            report = inspect_file(engine, lint=lint)
        facts = ArchiveFacts(size_bytes=path.stat().st_size, sha256=sha256_file(path), header=read_header(path))
        return replace(report, path=path, archive=facts)
    kind = _KINDS.get(path.suffix)
    if kind is None:
        require_file(path, fix="Name the file that train, export, quantize, build or package wrote.")
        raise UsageError(
            f"{path} ends in {path.suffix!r}; expected .onnx, .safetensors, .plan or .ran.",
            fix="Give a file that train, export, quantize, build or package wrote.",
        )
    if lint and kind != "onnx":
        raise UsageError(
            f"{path} is a {kind}; the lint reads ONNX models.", fix="Give the .onnx file it was made from."
        )
    require_file(path, what="file")
    manifest = read_manifest(path)
    digest = sha256_file(path)
    lineage = read_lineage(path, manifest)
    model = load_onnx(path) if kind == "onnx" else _source(path, lineage) if kind == "plan" else None
    return InspectReport(
        path=path,
        kind=kind,
        size_bytes=path.stat().st_size,
        sha256=digest,
        matches_manifest=None if manifest is None else manifest.sha256 == digest,
        manifest=manifest,
        lineage=lineage,
        onnx=None if model is None else onnx_facts(model),
        checkpoint=checkpoint_facts(path) if kind == "checkpoint" else None,
        plan=_plan_header(path, manifest) if kind == "plan" else None,
        findings=lint_model(model) if lint and model is not None else None,
    )


def _source(path: Path, lineage: tuple[Ancestor, ...]) -> onnx.ModelProto | None:
    """Return the model that a plan was built from, if it lies beside the plan as it was."""
    for ancestor in lineage:
        if ancestor.generation == 1 and ancestor.role == "onnx" and ancestor.state == "whole":
            return load_onnx(path.with_name(Path(ancestor.name).name))
    return None


def _plan_header(path: Path, manifest: Manifest | None) -> PlanHeader | None:
    """Read a plan's header; beside a manifest, which knows better, one of another form is no fault."""
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    try:
        return read_plan_header(head, str(path))
    except IntegrityError:
        if manifest is not None and manifest.build is not None:
            return None
        raise
