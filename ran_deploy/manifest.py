"""The manifest beside each artefact: what the file is, what it was made from, and how to feed it.

``<file>.manifest.json`` names the artefact's sha256 and its parents', the input and output contract, the
preprocessing, the precision asked for and obtained, and the results that vouch for it. The artefact itself
stays the plain format, so that any other tool loads it as it is.
"""

import datetime
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ran_deploy.config import OMIT_DEFAULT, to_mapping
from ran_deploy.errors import IntegrityError
from ran_deploy.files import atomic_paths, require_file, sha256_file
from ran_deploy.json_files import json_digest, parse_json
from ran_deploy.seal import check_seal, sealed_text

DYNAMIC = -1
"""Marks the dynamic batch dimension in a :class:`TensorSpec`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or an output of an engine."""

    name: str
    dtype: Literal["uint8", "float32", "float16"]
    shape: tuple[int, ...]
    """Dimensions; :data:`DYNAMIC` for the batch."""
    layout: Literal["NHWC", "NCHW", "NC", "NHW"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image of any size becomes the model's input."""

    resize: int | None
    """Shorter side, in pixels, before the centre crop; None: resize to ``size`` × ``size`` exactly."""
    size: int
    """Height and width of the model's input, in pixels."""
    interpolation: Literal["bilinear"] = "bilinear"
    """Pillow's antialiased bilinear filter."""
    mean: tuple[float, float, float]
    """Mean of the RGB channels, on the scale 0 to 1."""
    std: tuple[float, float, float]
    """Standard deviation of the RGB channels, on the scale 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a service must know to feed an engine and read its answer."""

    input: TensorSpec
    output: TensorSpec
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    masks: tuple[TensorSpec, ...] = field(default=(), metadata=OMIT_DEFAULT)
    """Further outputs of a model exported with them: each attention module's soft mask as the mean over its
    channels, float32 [N, H, W], in the order of the modules. Left out of the file where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A file that the artefact was made from."""

    role: Literal["checkpoint", "onnx", "calibration", "recipe"]
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The precision asked for, and what the file or the built engine really has."""

    asked: Literal["fp32", "fp16", "int8"]
    obtained: dict[str, int] = field(default_factory=dict)
    """Number of compute layers by the type that they run in."""
    kept: tuple[str, ...] = ()
    """Nodes that were left in float32 on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProfile:
    """The batch sizes that an engine accepts."""

    min_batch: int
    opt_batch: int
    max_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What built a TensorRT engine, and for which GPUs."""

    flavour: Literal["tensorrt", "tensorrt-rtx"]
    version: str
    """Version of the library that built the plan."""
    targets: tuple[str, ...]
    """Compute capabilities the plan was built for, such as "sm89"; the last may end in "+"."""
    gpu: str | None
    """Name of the GPU that built the plan; None: built ahead of time without one."""
    profile: BatchProfile
    optimization_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that is known of one artefact."""

    kind: Literal["checkpoint", "onnx", "plan"]
    arch: str | None
    """Name of the network; None for a model that is not from the registry."""
    dataset: str | None
    contract: Contract
    precision: Precision
    parents: tuple[Parent, ...]
    key: str
    """Digest of the stage's inputs, options and versions: the same key means the same artefact."""
    options: dict[str, Any] = field(default_factory=dict)
    """The network's own options, such as p, t, r and width."""
    weights: Literal["trained", "random"] = "trained"
    build: Build | None = None
    calibration: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None
    accuracy: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of ran-deploy and of the libraries that made the artefact."""
    command: str = ""
    created: str = ""
    """UTC time, ISO 8601."""
    sha256: str = ""
    size_bytes: int = 0
    schema: Literal["ran-deploy.manifest/v1"] = "ran-deploy.manifest/v1"
    digest: str | None = field(default=None, metadata=OMIT_DEFAULT)
    """Of the manifest's own text, see :mod:`ran_deploy.seal`; None: made before there was one, or edited by hand."""


def manifest_path(path: Path) -> Path:
    """Return the path of the manifest beside ``path``."""
    return path.with_name(f"{path.name}.manifest.json")


def stage_key(stage: str, inputs: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Digest what determines a stage's result: its inputs' hashes, its options and the versions in use."""
    return json_digest({"stage": stage, "inputs": inputs, "versions": versions})


def read_manifest(path: Path) -> Manifest | None:
    """Read the manifest beside the artefact ``path``; None if there is none.

    Raises:
        IntegrityError: The manifest is corrupt.
    """
    beside = manifest_path(path)
    if not beside.exists():
        return None
    content = require_file(beside).read_bytes()
    manifest = parse_json(Manifest, content, where=str(beside))
    check_seal(content, manifest.digest, str(beside))
    return manifest


def verified_manifest(path: Path) -> Manifest | None:
    """Read the manifest beside ``path`` and check the artefact's hash against it; None if there is none.

    Raises:
        UsageError: The artefact is missing.
        IntegrityError: The manifest is corrupt, or the artefact is not the one that it describes.
    """
    digest = sha256_file(path)
    manifest = read_manifest(path)
    if manifest is not None and manifest.sha256 != digest:
        raise IntegrityError(
            f"{path} is not the file that its manifest describes (sha256 {digest[:12]}…, "
            f"expected {manifest.sha256[:12]}…): it was changed, truncated or replaced.",
            fix="Make it again, or restore the original file.",
        )
    return manifest


def reusable(path: Path, key: str) -> Manifest | None:
    """Return the manifest of an artefact at ``path`` made with the same ``key`` and still whole, else None."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        manifest = verified_manifest(path)
    except IntegrityError:
        return None
    return manifest if manifest is not None and manifest.key == key else None


def publish(path: Path, content: bytes | Callable[[Path], None], manifest: Manifest) -> Manifest:
    """Write an artefact and its manifest so that a failure leaves what was there before.

    Args:
        path: The artefact's final path.
        content: The artefact's bytes, or what writes it to the temporary path that it is given.
        manifest: Described completely, but for hash, size, time and command, which are filled in here.

    Returns:
        The manifest as written.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    with atomic_paths(path, manifest_path(path)) as (temporary, beside):
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)
        complete = replace(
            manifest,
            sha256=sha256_file(temporary),
            size_bytes=temporary.stat().st_size,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=manifest.command or _command_line(),
            digest=None,
        )
        text = sealed_text(to_mapping(complete))
        beside.write_text(text, encoding="utf-8")
    return replace(complete, digest=json.loads(text)["digest"])


def _command_line() -> str:
    return " ".join(["ran-deploy", *sys.argv[1:]]) if Path(sys.argv[0]).stem in ("ran-deploy", "__main__") else ""
