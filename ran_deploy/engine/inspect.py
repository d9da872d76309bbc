"""``inspect_file``: everything that an engine's file and its manifest say, without running it."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from ran_deploy.engine.inspect_onnx import OnnxFacts, onnx_facts
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file, sha256_file
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.quant.finding import Finding
from ran_deploy.quant.lint import lint as lint_model
from ran_deploy.runtime.onnx_file import load_onnx
from ran_deploy.runtime.plan_header import PlanHeader, read_header

Kind = Literal["checkpoint", "onnx", "plan"]
_KINDS: dict[str, Kind] = {".safetensors": "checkpoint", ".onnx": "onnx", ".plan": "plan"}
_HEADER_BYTES = 64
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """A safetensors file as it is."""

    network: dict[str, Any] | None
    """Arch, dataset, classes and options; None for a file that ran-deploy did not write."""
    tensors: int
    parameters: int
    """Elements of the tensors, without the running statistics of BN."""
    dtypes: dict[str, int]
    """Number of tensors by type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectReport:
    """What is known of a file."""

    path: Path
    kind: Kind
    size_bytes: int
    sha256: str
    matches_manifest: bool | None
    """Whether the hash is the one in the manifest; None without a manifest."""
    manifest: Manifest | None
    onnx: OnnxFacts | None = None
    checkpoint: CheckpointFacts | None = None
    plan: PlanHeader | None = None
    """The undocumented header of a plan: a hint."""
    findings: tuple[Finding, ...] | None = None
    """What the lint found; None where it was not asked for."""


def inspect_file(path: Path | str, *, lint: bool = False) -> InspectReport:
    """Look into a ``.onnx``, ``.safetensors`` or ``.plan`` file and its manifest; nothing is run or deserialized.

    A hash that is not the manifest's is reported and not raised, so that one can see what differs.

    Args:
        path: The file.
        lint: Check the Q/DQ nodes of an ONNX model, see :func:`ran_deploy.quant.lint.lint`.

    Raises:
        UsageError: The file is missing or of another kind, or ``lint`` is asked of other than ONNX.
        IntegrityError: The file or its manifest is empty, truncated or corrupt.
    """
    path = Path(path)
    kind = _KINDS.get(path.suffix)
    if kind is None:
        raise UsageError(
            f"{path} ends in {path.suffix!r}; expected .onnx, .safetensors or .plan.",
            fix="Give a file that train, export, quantize or build wrote.",
        )
    if lint and kind != "onnx":
        raise UsageError(
            f"{path} is a {kind}; the lint reads ONNX models.", fix="Give the .onnx file it was made from."
        )
    require_file(path, what="file")
    manifest = read_manifest(path)
    digest = sha256_file(path)
    model = load_onnx(path) if kind == "onnx" else None
    return InspectReport(
        path=path,
        kind=kind,
        size_bytes=path.stat().st_size,
        sha256=digest,
        matches_manifest=None if manifest is None else manifest.sha256 == digest,
        manifest=manifest,
        onnx=None if model is None else onnx_facts(model),
        checkpoint=_checkpoint_facts(path) if kind == "checkpoint" else None,
        plan=_plan_header(path, manifest) if kind == "plan" else None,
        findings=lint_model(model) if lint and model is not None else None,
    )


def _checkpoint_facts(path: Path) -> CheckpointFacts:
    """Read names, types and shapes only; torch is not needed."""
    try:
        with safe_open(path, framework="numpy") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            dtypes = Counter(str(part.get_dtype()) for part in slices.values())
            counted = (part for name, part in slices.items() if not name.endswith(_BUFFERS))
            parameters = sum(int(np.prod(part.get_shape())) for part in counted)
            info = (stored.metadata() or {}).get("info")
        network = None if info is None else dict(json.loads(info))
    except (SafetensorError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise IntegrityError(
            f"{path} is not a whole checkpoint: {reason}.", fix="Restore the file, or train it again."
        ) from error
    return CheckpointFacts(network=network, tensors=len(slices), parameters=parameters, dtypes=dict(dtypes))


def _plan_header(path: Path, manifest: Manifest | None) -> PlanHeader | None:
    """Read a plan's header; beside a manifest, which knows better, one of another form is no fault."""
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    try:
        return read_header(head)
    except IntegrityError as error:
        if manifest is not None and manifest.build is not None:
            return None
        raise IntegrityError(f"{path}: {error.message}", fix=error.fix) from error
